/*
 * The compiled code of one script, as a worker has left it: shared by the script and by its jobs,
 * held by each. It is in memory only, bounded, and goes with the script.
 */
#ifndef STINT_DAEMON_COMPILED_H
#define STINT_DAEMON_COMPILED_H

#include "protocol/limits.h"
#include "protocol/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compiled;

/* How much may be kept. One for each tenant and one for all; they must outlive compiled_end. */
struct compiled_room {
	uint64_t bytes, bytes_max;
};

/* What the code depends on besides the source. All bytes count: made by compiled_make_key alone. */
struct compiled_key {
	uint64_t generation; /* its interpreter, its hash seed */
	uint64_t call_depth; /* how deep a source may be nested */
	uint64_t evaluates;  /* an expression, not a program */
	uint64_t name_bytes;
	char name[NAME_BYTES_MAX + 1]; /* the code has it: tracebacks show it */
};

/* A new one, held by the caller. The rooms are borrowed until compiled_end. `guess`: how large the
 * code may become. */
struct compiled *compiled_new(struct compiled_room *tenant, struct compiled_room *all,
			      uint64_t guess);
struct compiled *compiled_hold(struct compiled *compiled);
/* NULL is fine. */
void compiled_release(struct compiled **compiled);
/* The script is gone: drop the bytes, keep no others. The caller still holds it. */
void compiled_end(struct compiled *compiled);

/* Of a job with that request, in a worker of that generation. */
void compiled_make_key(const struct run_request *request, uint64_t generation,
		       struct compiled_key *ret_key);
/* The bytes, borrowed until the next call for it; NULL: there are none for this key. */
const void *compiled_find(const struct compiled *compiled, const struct compiled_key *key,
			  size_t *ret_size);
/* Should a job leave the code? True: until compiled_fill no other one is asked. */
bool compiled_ask(struct compiled *compiled);
/*
 * The end of what compiled_ask began. Takes over bytes, which may be NULL: nothing was left.
 * They take the place of older ones; what there is no room for is freed.
 */
void compiled_fill(struct compiled *compiled, const struct compiled_key *key, void *bytes,
		   size_t size);
/* The same, and no other job is ever asked. */
void compiled_refuse(struct compiled *compiled);

#endif
