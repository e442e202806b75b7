/*
 * Every hard cap of stint, named with its unit, and the limits of a job (limits.def).
 */
#ifndef STINT_PROTOCOL_LIMITS_H
#define STINT_PROTOCOL_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One value per limit of limits.def, in the unit of its name. */
struct limits {
#define LIMIT(field, unit, def, max, min, text) uint64_t field;
#include "protocol/limits.def"
#undef LIMIT
};

enum limit_id {
#define LIMIT(field, unit, def, max, min, text) LIMIT_##field,
#include "protocol/limits.def"
#undef LIMIT
	LIMIT_COUNT
};

struct limit_info {
	const char *name;	/* wire name */
	const char *unit;
	uint64_t def;		/* built-in default */
	uint64_t max;		/* built-in maximum: a request above it is refused */
	uint64_t min;		/* smallest value that is accepted */
	size_t offset;		/* of the field in struct limits */
	const char *text;
};

extern const struct limit_info LIMITS[LIMIT_COUNT];

/* Borrowed entry for `name`, or NULL when there is no such limit. */
const struct limit_info *limits_find(const char *name, size_t length);
uint64_t limits_get(const struct limits *limits, enum limit_id id);
void limits_set(struct limits *limits, enum limit_id id, uint64_t value);
/* Largest size of any file the job writes, for RLIMIT_FSIZE: one byte above the larger output cap,
 * or above its scratch directory in whole pages. */
uint64_t limits_file_bytes(const struct limits *limits);
/*
 * Size that the output file with that cap begins with (a hole, no part of the output): such that it
 * reaches limits_file_bytes at its first byte too many. 0 without a scratch directory.
 */
uint64_t limits_output_base(const struct limits *limits, uint64_t cap);
/* scratch_bytes in whole pages. */
uint64_t limits_scratch_room(const struct limits *limits);
/* Fill with the built-in defaults / maxima. */
void limits_defaults(struct limits *ret_limits);
void limits_maxima(struct limits *ret_limits);

#define REQUEST_BYTES_DEFAULT (16u << 20) /* a request line, LF included */
#define JSON_DEPTH_MAX 32		  /* nesting of arrays and objects in a request or value */
#define JOB_ID_CHARS 32			  /* 128 random bits in hex */
#define ARGS_MAX 1024			  /* entries of `args` */
#define OUTPUTS_MAX 1024		  /* entries of `outputs` */
#define MODULES_MAX 1024		  /* entries of `modules` */
#define NAME_BYTES_MAX 255		  /* `name`, a module's or variable's, a tag, a file's */
#define FILES_MAX 1024			  /* entries of `files`, and files that are collected */
#define FILE_DEPTH_MAX 16		  /* components of the name of a file that is sent along */
#define PRIORITY_MAX 10			  /* of a job; and -10 is the least */
#define DEADLINE_MAX_MS 2592000000	  /* 30 days */
#define COLLECT_MAX 64			  /* entries of `collect` */
#define ERROR_TEXT_BYTES_MAX 65536	  /* error.type, error.message: cut there */
#define TRACEBACK_FRAMES_MAX 64		  /* in error.traceback: outermost and innermost */
#define WARNINGS_MAX 64
#define WORKERS_MAX 256			  /* live workers of one daemon, ready and running */
#define THREAD_STACK_BYTES (4u << 20)	  /* of each thread but the main one */
#define MAIN_STACK_BYTES (64u << 20)
/* What the memory cgroup grants above memory_bytes: copy-on-write of the warm interpreter. */
#define MEMORY_HEADROOM_BYTES (16u << 20)
/* ... and for each file of a scratch directory: inode, name and index, which the kernel charges. */
#define SCRATCH_INODE_BYTES 2048u
#define SCRATCH_PAGE_BYTES  4096u /* what a byte of a file takes at least */

#endif
