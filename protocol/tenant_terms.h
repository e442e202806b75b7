/*
 * What the configuration grants one tenant: numbers of tenant_settings.def and limits of a job. A
 * plain value: it is copied where it is kept, so that a reload changes nothing under a live job.
 */
#ifndef STINT_PROTOCOL_TENANT_TERMS_H
#define STINT_PROTOCOL_TENANT_TERMS_H

#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TENANT_NAME_MAX 64 /* bytes of a tenant's name */

enum tenant_setting_id {
#define TENANT_SETTING(name, type, def, min, max, text) TENANT_SETTING_##name,
#include "protocol/tenant_settings.def"
#undef TENANT_SETTING
	TENANT_SETTING_COUNT
};

struct tenant_terms {
	char name[TENANT_NAME_MAX + 1]; /* never empty; see tenant_name_valid */
	uint64_t values[TENANT_SETTING_COUNT];
	struct limits limits_default; /* of a request that does not say */
	struct limits limits_max;     /* a request above is refused */
};

#define tenant_number(terms, setting) ((terms)->values[TENANT_SETTING_##setting])

/* Built-in defaults, these limits, and a name, which must be valid. */
void tenant_terms_init(struct tenant_terms *ret_terms, const char *name,
		       const struct limits *limits_default, const struct limits *limits_max);
/* 1 to TENANT_NAME_MAX of a-z 0-9 . _ - and a letter or digit first. */
bool tenant_name_valid(const char *name, size_t size);
/* A name that is made from a user's number: no section of the configuration may have it. */
bool tenant_name_is_uid(const char *name, size_t size);
/* The name of the tenant that a user is where the configuration names none: "uid-<number>". */
void tenant_name_of_uid(uid_t uid, char ret_name[TENANT_NAME_MAX + 1]);

#endif
