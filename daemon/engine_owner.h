/*
 * What goes with a job into the engine besides the request, and what comes back when it is not
 * taken.
 */
#ifndef STINT_DAEMON_ENGINE_OWNER_H
#define STINT_DAEMON_ENGINE_OWNER_H

#include "protocol/tenant_terms.h"

#include <stdint.h>

struct compiled;

/* On whose behalf a job is run, and who is told of it. */
struct engine_owner {
	uint64_t session, ticket;	  /* given back by the callbacks */
	const struct tenant_terms *terms; /* borrowed for the call: the tenant as it is now */
	const char *id; /* the job's id from an earlier life of it; NULL: a new one */
	struct compiled *compiled; /* of the script that it runs, held by the job; NULL: none */
};
/* Why a job was not taken, with ERROR_LIMIT. */
struct engine_refusal {
	enum {
		ENGINE_QUEUE_FULL, /* too many jobs or bytes wait, or too many tenants have jobs */
		ENGINE_QUOTA,	   /* the tenant has used up a rate */
		ENGINE_TOO_LARGE,  /* it can never enter */
	} reason;
	uint64_t retry_after_ms; /* when it may be possible; 0: never */
};

#endif
