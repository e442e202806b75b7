/*
 * What a generator sends: the request lines of all kinds of jobs, ready but for their ids.
 */
#ifndef STINT_BENCH_LOAD_KINDS_H
#define STINT_BENCH_LOAD_KINDS_H

#include "protocol/error.h"

#include <stddef.h>

#define LOAD_KINDS_MAX       64
#define LOAD_KIND_NAME_BYTES 32

struct load_kind {
	char name[LOAD_KIND_NAME_BYTES];
	const char *status; /* borrowed: the one it must end with; NULL: any */
	char *after_id;     /* owned: the line's rest, with its LF */
	size_t after_id_size;
};

struct load_kinds {
	size_t count;
	struct load_kind kinds[LOAD_KINDS_MAX];
};

/* The line's beginning, up to the id. */
extern const char LOAD_BEFORE_ID[];

/* Those of load_kinds.def. ERROR_SYSTEM: no memory. */
int load_kinds_init(struct load_kinds *ret_kinds, struct error *err);
void load_kinds_deinit(struct load_kinds *kinds);
/*
 * NAME=METHOD or NAME=METHOD:FILE: a request of the user's, whose params are the JSON object in
 * the file (line ends become blanks: within JSON strings there are none). May end in any way.
 */
int load_kinds_add(struct load_kinds *kinds, const char *text, struct error *err);
/* Index, or -1. `name` need not end at name_size. */
int load_kinds_find(const struct load_kinds *kinds, const char *name, size_t name_size);

#endif
