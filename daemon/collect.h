/*
 * What a dead worker left behind: its output, its result blob and the words of its page.
 */
#ifndef STINT_DAEMON_COLLECT_H
#define STINT_DAEMON_COLLECT_H

#include "daemon/trace_read.h"
#include "daemon/verdict.h"
#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/run_result.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stdint.h>

/* A result blob may hold that much besides value and vars: error, frames, warnings. */
#define COLLECT_EXTRA_BYTES_MAX (2u << 20)

struct collect_input {
	int out_fd, err_fd, page_fd;    /* borrowed */
	const struct worker_page *page; /* borrowed: a copy, see page_read */
	const struct error *page_err;   /* borrowed: why there is none, or NULL */
	struct limits limits;
	bool collects; /* files were asked for */
	bool traced;
	bool leaves_code;          /* compiled code was asked for: in code_fd */
	int code_fd;               /* borrowed */
	struct trace_cursor trace; /* what was read of it before */
};

struct collect_facts {
	uint32_t phase, reason; /* as found: any value */
	enum verdict_blob blob;
	bool output_over; /* more on stdout or stderr than may be */
	bool failed;      /* a system failure of ours: err says which */
	struct error err;
	const char *fault; /* static: what is wrong with the blob, or NULL */
	void *code;        /* the caller's to free: compiled code; NULL: nothing that can be kept */
	size_t code_size;
	bool code_never; /* says that it is never to be kept */
};

/* How many bytes there are to read: more than a little of it belongs off the loop. Never fails. */
uint64_t collect_size(const struct collect_input *input);
/*
 * Fill the output, value, vars, files, error, frames, warnings and trace of *result, which is
 * zeroed before, and *ret_facts. Compiled code that cannot be read is none. Uses nothing but its
 * arguments: may run on another thread than the loop's.
 */
void collect_run(const struct collect_input *input, struct run_result *result,
		 struct collect_facts *ret_facts);
/* The result blob alone, from memory: fills *result and says what can be believed. `ended`: the
 * worker says that the blob is complete. On anything but COMPLETE the fields stay empty. */
enum verdict_blob collect_blob(const void *blob, size_t size, bool ended,
			       const struct limits *limits, bool collects,
			       struct run_result *result, const char **ret_fault);

#endif
