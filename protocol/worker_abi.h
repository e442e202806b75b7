/*
 * What stintd and one worker share: the limits record and the job blob on the worker channel, the
 * shared page, and the result blob behind it.
 *
 * Life of a worker, as seen on its channel and in its page:
 *   1. stintd sends MESSAGE_FORK with the worker's end of the channel, its stdin (a fresh open of
 *      /dev/null), stdout and stderr (empty O_APPEND memfds) and the page (a sealed memfd of
 *      PAGE_FILE_BYTES).
 *   2. The worker confines itself and sends a struct worker_hello; the kernel's SCM_CREDENTIALS on
 *      it tell stintd its host pid. Phase READY. No tenant byte has reached it.
 *   3. stintd writes the leaf's limits, then sends one struct worker_terms (the limits record, no
 *      tenant bytes) with up to three descriptors (see flags): stdin, blob, code.
 *   4. The worker lowers its rlimits, binds itself to its core, installs the second filter and only
 *      then reads the job blob: the next datagram (blob_bytes of it), or the blob descriptor. With
 *      the descriptor the next datagram is one byte, which the worker takes last of all. So a
 *      worker that died with something unread in its channel (the kernel tells stintd) has run no
 *      tenant code, and no other worker can pass for one.
 *   5. It runs the job, writes the result blob into the page file at PAGE_RESULT_OFFSET, release-
 *      stores result_bytes, and ends by _exit(). Nothing is ever sent on the channel after the
 *      hello: a datagram there is proof of foreign code. The worker closes its end as soon as it
 *      has the blob, and the page's descriptor before: the end of the channel says nothing.
 *
 * With a code descriptor the worker leaves there, see struct worker_code, what it made of the job's
 * source. It has mapped that file before step 4, closed the descriptor, and unmaps it before the
 * first instruction of the job: what the job does later cannot reach it.
 *
 * Everything in the page, in that file and in the output files after step 4 is hostile input:
 * stintd reads each field once, into its own memory, checks it against the caps, and never writes
 * through a value read.
 */
#ifndef STINT_PROTOCOL_WORKER_ABI_H
#define STINT_PROTOCOL_WORKER_ABI_H

#include "protocol/limits.h"
#include "protocol/worker_page.h"

#include <stdint.h>

#define WORKER_ABI_VERSION 5u
#define WORKER_HELLO_MAGIC 0x53544831u
#define WORKER_TERMS_MAGIC 0x53545431u

struct worker_hello {
	uint32_t magic;
	uint32_t abi;
	uint64_t serial;
};

enum terms_flag {
	TERMS_STDIN_FD = 1u << 0, /* a descriptor for fd 0 comes with the record (first) */
	TERMS_BLOB_FD = 1u << 1,  /* the job blob is in a memfd that comes with it (next) */
	TERMS_ASYNCIO = 1u << 2,  /* profile: event loops */
	TERMS_THREADS = 1u << 3,  /* profile: threads (limits.threads > 1) */
	TERMS_STREAM = 1u << 4,   /* somebody watches: stdout is line buffered */
	TERMS_SCRATCH = 1u << 5,  /* profile: files (limits.scratch_bytes > 0); the worker was made
				     with a scratch directory of just these sizes */
	TERMS_CODE_FD = 1u << 6,  /* a memfd for the compiled code comes with the record (last) */
	TERMS_STOPS = 1u << 7,    /* at its end it stops, and is killed: see worker_page.ended */
};

/* The limits record: fixed size, no tenant bytes. */
struct worker_terms {
	uint32_t magic;
	uint32_t flags; /* enum terms_flag */
	uint64_t serial;
	uint64_t blob_bytes;
	uint64_t cpu_backstop_s; /* RLIMIT_CPU: well above the watchdog's limit */
	uint64_t core;		 /* pin_cores: number of the job's core, + 1; 0: it is off */
	struct limits limits;
};

/* Numbers of cores are below that: the most that a kernel can be built for. */
#define WORKER_CORES_MAX 8192u

/* The byte that starts a job whose blob came by descriptor. */
#define WORKER_START_BYTE 0x53

/* Job blobs up to this size travel as one datagram, larger ones in a memfd. */
#define BLOB_INLINE_BYTES_MAX 65536u

/*
 * Begin of the code file, CODE_FILE_BYTES, sparse and sealed against other sizes. Behind it, at
 * CODE_OFFSET, `bytes` bytes that only another worker reads, as JOB_COMPILED.
 */
struct worker_code {
	uint64_t bytes; /* release-stored when they are whole; 0: none; CODE_BYTES_NEVER: this
			   source's code is too large to keep, or not the same every time */
};
#define CODE_FILE_BYTES  (4u << 20)
#define CODE_OFFSET      64u
#define CODE_BYTES_MAX   (CODE_FILE_BYTES - CODE_OFFSET)
#define CODE_BYTES_NEVER UINT64_MAX

/* Fields of the job blob (pack.h). Order is free unless said. */
enum job_field {
	JOB_SOURCE = 1,        /* UTF-8 text, may hold NUL; or else JOB_CODE */
	JOB_CODE = 2,          /* bytes of a .pyc file */
	JOB_NAME = 3,          /* shown in tracebacks */
	JOB_MODE_EVAL = 4,     /* empty; present when mode is eval */
	JOB_ARG = 5,           /* repeated: sys.argv[1:] */
	JOB_INPUTS = 6,        /* JSON object: globals to set */
	JOB_OUTPUT = 7,        /* repeated: a global to return */
	JOB_ENTRY = 8,         /* function name to call after the body */
	JOB_ENTRY_ARGS = 9,    /* JSON array */
	JOB_ENTRY_KWARGS = 10, /* JSON object */
	JOB_MODULE_NAME = 11,  /* repeated, each followed by its JOB_MODULE_SOURCE */
	JOB_MODULE_SOURCE = 12,
	JOB_TRACE = 13,     /* one byte, enum trace_kind; absent when there is nothing to trace */
	JOB_FILE_NAME = 14, /* repeated, each followed by its JOB_FILE_BYTES; see file_name.h */
	JOB_FILE_BYTES = 15,
	JOB_COLLECT = 16,  /* repeated: a pattern, see file_name.h */
	JOB_COMPILED = 17, /* with JOB_SOURCE: what a worker left of that source's code. Used when
			      it fits; else the source is compiled */
};

/* What of a job's run is written down; the events are in worker_page.h's trace area. */
enum trace_kind {
	TRACE_NONE,
	TRACE_OPCODES, /* each instruction that counts */
	TRACE_LINES,   /* each line */
	TRACE_CALLS,   /* calls, returns, yields, exceptions of Python functions */
	TRACE_KIND_COUNT
};

/* Fields of the result blob. */
enum result_field {
	RESULT_VALUE = 1,	/* JSON text of the value */
	RESULT_VARS = 2,	/* JSON object text: the outputs that exist */
	RESULT_ERROR_TYPE = 3,
	RESULT_ERROR_MESSAGE = 4,
	RESULT_FRAME_FILE = 5,	/* starts a frame; outermost first */
	RESULT_FRAME_LINE = 6,	/* uint32_t, little endian */
	RESULT_FRAME_FUNCTION = 7,
	RESULT_FRAME_TEXT = 8,	/* source line, stripped */
	RESULT_WARNING = 9,	/* repeated */
	RESULT_FILE_NAME = 10,	/* repeated, in rising order (memcmp, the shorter first), each
				   followed by its RESULT_FILE_BYTES */
	RESULT_FILE_BYTES = 11,
};

/* Exit codes of a worker that are ours: it never ran tenant code. */
#define WORKER_EXIT_SETUP 126

#endif
