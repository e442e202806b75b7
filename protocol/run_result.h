/*
 * A job's result on its way to the client. All byte fields are owned; texts may hold any byte and
 * are made valid JSON by the writer. `value`, `vars` and `trace` are JSON texts that json_scan has
 * accepted.
 */
#ifndef STINT_PROTOCOL_RUN_RESULT_H
#define STINT_PROTOCOL_RUN_RESULT_H

#include "protocol/result.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data; /* owned, or NULL */
	size_t size;
};

struct run_frame {
	struct bytes file, function, text;
	uint32_t line;
};

/* A file of the job's scratch directory. */
struct run_file {
	struct bytes name; /* file_name_check has accepted it */
	struct bytes content;
};

struct run_usage {
	uint64_t cpu_us, wall_us, queue_us;
	uint64_t memory_peak_bytes, memory_baseline_bytes;
	uint64_t stdout_bytes, stderr_bytes; /* as returned */
	uint64_t opcodes;
	uint64_t throttled_us; /* of wall_us: held back by opcodes_per_second */
};

struct run_result {
	char job[JOB_ID_CHARS + 1];
	enum job_status status;
	int exit_code; /* -1: none (died by a signal or never ran): JSON null */
	int signal;    /* 0: none: JSON null */
	struct bytes out, err; /* stdout and stderr, cut at their caps */
	bool out_truncated, err_truncated;
	struct bytes value; /* JSON text; empty: null */
	struct bytes vars;  /* JSON object text; empty: {} */
	bool traced;	    /* there was a trace: trace_truncated says whether all of it */
	bool has_trace;	    /* and it is part of the result */
	bool trace_truncated;
	struct bytes trace; /* its events: JSON objects, a line end after each */
	bool has_error;	    /* else `error` is null */
	struct bytes error_type, error_message;
	struct run_frame frames[TRACEBACK_FRAMES_MAX];
	size_t frame_count;
	struct bytes warnings[WARNINGS_MAX];
	size_t warning_count;
	bool collects;		/* the job asked for files: `files` is part of the result */
	struct run_file *files; /* owned: file_count entries */
	size_t file_count;
	struct run_usage usage;
	unsigned attempts;   /* of a stored job: how often it was begun; 0: no member */
	uint64_t held_bytes; /* what it counts for while stintd holds it (engine_result_gone) */
	char meter_id[32]; /* what `opcodes` depends on besides the job; empty: none yet */
};

void run_result_deinit(struct run_result *result);
/* Drop outputs, value, vars, trace and files, say so in their flags, and add the warning. */
void run_result_leave_out(struct run_result *result, const char *why);

#endif
