/*
 * One [tenant NAME] section of the configuration: what it says, and the terms that come of it.
 * Part of config.h, which is to be included instead.
 */
#ifndef STINT_PROTOCOL_CONFIG_TENANT_H
#define STINT_PROTOCOL_CONFIG_TENANT_H

#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_TENANTS_MAX  10000u /* sections of a file */
#define CONFIG_TENANT_OTHER "default" /* the section for users that no other one names */

struct config;

enum tenant_identity_id {
#define TENANT_IDENTITY(name, type, text) TENANT_IDENTITY_##name,
#include "protocol/tenant_identity.def"
#undef TENANT_IDENTITY
	TENANT_IDENTITY_COUNT
};

/* Its keys, by number: tenant_settings.def, tenant_identity.def, default_<limit>, max_<limit>. */
#define TENANT_KEY_IDENTITY TENANT_SETTING_COUNT
#define TENANT_KEY_DEFAULT  (TENANT_KEY_IDENTITY + TENANT_IDENTITY_COUNT)
#define TENANT_KEY_MAX	    (TENANT_KEY_DEFAULT + LIMIT_COUNT)
#define TENANT_KEY_COUNT    (TENANT_KEY_MAX + LIMIT_COUNT)

struct config_tenant {
	char name[TENANT_NAME_MAX + 1];
	unsigned line;			  /* of the section's head */
	unsigned lines[TENANT_KEY_COUNT]; /* where each key is set; 0: it is not */
	uint64_t values[TENANT_SETTING_COUNT];
	struct limits limits_default, limits_max; /* as far as they are set */
	char *words[TENANT_IDENTITY_COUNT];	  /* owned, or NULL: of the NAMES */
	bool gateway;
};

/* NULL when no section has that name. */
const struct config_tenant *config_tenant_find(const struct config *config, const char *name);
/*
 * The terms of a section: what it does not set is the built-in default, and of limits the
 * service's; the service's default is cut to a maximum that the section sets.
 */
void config_tenant_terms(const struct config *config, const struct config_tenant *tenant,
			 struct tenant_terms *ret_terms);

/* Next word of a text of NAMES, which may be NULL, from *at on; false at its end. */
bool config_word_next(const char **at, const char **ret_word, size_t *ret_length);
/*
 * The number that a word of `users` or `groups` stands for by itself: digits, or "root".
 * ERROR_NOT_FOUND: it is a name. ERROR_INVALID: digits that are no id.
 */
int config_word_number(const char *word, size_t length, uint32_t *ret_number);

/* How names become numbers; 0, or ERROR_NOT_FOUND. Not called for "root" and for numbers. */
struct config_names {
	int (*user)(const char *name, uint32_t *ret_number);
	int (*group)(const char *name, uint32_t *ret_number);
};
/*
 * Put numbers in the place of all names of users and groups, and check the rules again: two names
 * may be one account's. An error says where in the file `name`; then *config is half done, good
 * for config_deinit only.
 */
int config_resolve(struct config *config, const struct config_names *names, const char *name,
		   struct error *err);

#endif
