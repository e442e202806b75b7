/*
 * Holds one script's compiled code and counts it against the rooms. Never looks into it: it is what
 * a worker left, and only another worker of the same tenant ever reads it. Called on the loop by
 * script_table.c, job.c, dispatch.c and finish.c; ends the process where there is no memory for the
 * few bytes of its own.
 */
#include "daemon/compiled.h"

#include "protocol/base_assert.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#include <stdlib.h>
#include <string.h>

/* CPython's recursion limit at start; call_depth lowers it, never raises it. */
#define COMPILED_DEPTH_MAX 1000u

struct compiled {
	unsigned holders;
	struct compiled_room *tenant, *all; /* borrowed; NULL: the script is gone */
	bool asked;                         /* a job is to leave it */
	bool refused;                       /* nobody is asked again */
	uint64_t guess;                     /* bytes that there should be room for */
	struct compiled_key key;
	void *bytes; /* owned; NULL: there are none */
	size_t size;
};

struct compiled *
compiled_new(struct compiled_room *tenant, struct compiled_room *all, uint64_t guess)
{
	struct compiled *compiled = calloc(1, sizeof(*compiled));
	require(compiled != NULL);
	compiled->holders = 1;
	compiled->tenant = tenant;
	compiled->all = all;
	compiled->guess = guess;
	return compiled;
}

struct compiled *
compiled_hold(struct compiled *compiled)
{
	compiled->holders++;
	return compiled;
}

static void
drop_bytes(struct compiled *compiled)
{
	if (compiled->bytes != NULL) {
		compiled->tenant->bytes -= compiled->size;
		compiled->all->bytes -= compiled->size;
	}
	free(compiled->bytes);
	compiled->bytes = NULL;
	compiled->size = 0;
}

void
compiled_release(struct compiled **compiled)
{
	struct compiled *gone = *compiled;
	*compiled = NULL;
	if (gone == NULL || --gone->holders > 0)
		return;
	require(gone->tenant == NULL);
	free(gone);
}

void
compiled_end(struct compiled *compiled)
{
	drop_bytes(compiled);
	compiled->tenant = compiled->all = NULL;
}

void
compiled_make_key(const struct run_request *request, uint64_t generation,
		  struct compiled_key *ret_key)
{
	struct pack_reader reader;
	struct pack_field field;
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->generation = generation;
	ret_key->call_depth = request->limits.call_depth < COMPILED_DEPTH_MAX
				  ? request->limits.call_depth
				  : COMPILED_DEPTH_MAX;
	ret_key->evaluates = request->evaluates;
	pack_reader_init(&reader, request->blob, request->blob_bytes);
	while (pack_next(&reader, &field, NULL) == 1) {
		if (field.tag != JOB_NAME || field.length > NAME_BYTES_MAX)
			continue;
		memcpy(ret_key->name, field.bytes, field.length);
		ret_key->name_bytes = field.length;
	}
}

const void *
compiled_find(const struct compiled *compiled, const struct compiled_key *key, size_t *ret_size)
{
	if (compiled->bytes == NULL || memcmp(&compiled->key, key, sizeof(*key)) != 0)
		return NULL;
	*ret_size = compiled->size;
	return compiled->bytes;
}

static bool
has_room(const struct compiled_room *room, uint64_t size)
{
	return size <= room->bytes_max && room->bytes <= room->bytes_max - size;
}

bool
compiled_ask(struct compiled *compiled)
{
	if (compiled->asked || compiled->refused || compiled->tenant == NULL)
		return false;
	/* Those that are there would make room. */
	uint64_t more = compiled->guess > compiled->size ? compiled->guess - compiled->size : 0;
	if (compiled->all->bytes_max == 0 || !has_room(compiled->tenant, more) ||
	    !has_room(compiled->all, more))
		return false;
	compiled->asked = true;
	return true;
}

void
compiled_fill(struct compiled *compiled, const struct compiled_key *key, void *bytes, size_t size)
{
	compiled->asked = false;
	if (bytes == NULL)
		return;
	if (compiled->tenant != NULL)
		drop_bytes(compiled);
	if (compiled->tenant == NULL || !has_room(compiled->tenant, size) ||
	    !has_room(compiled->all, size)) {
		compiled->guess = size;
		free(bytes);
		return;
	}
	compiled->key = *key;
	compiled->bytes = bytes;
	compiled->size = size;
	compiled->tenant->bytes += size;
	compiled->all->bytes += size;
}

void
compiled_refuse(struct compiled *compiled)
{
	compiled->asked = false;
	compiled->refused = true;
}
