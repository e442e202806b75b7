/*
 * The memory that a worker and stintd share: how far the worker is, its output stages, and where
 * its result blob is. Part of worker_abi.h, which says when it is written and that stintd takes all
 * of it for hostile.
 */
#ifndef STINT_PROTOCOL_WORKER_PAGE_H
#define STINT_PROTOCOL_WORKER_PAGE_H

#include <stddef.h>
#include <stdint.h>

/* How far a worker is. Written by the worker's C code. */
enum worker_phase {
	PHASE_NEW,     /* setting up */
	PHASE_READY,   /* confined, waits for its terms */
	PHASE_TERMS,   /* has its terms, installs them */
	PHASE_RUNNING, /* has read tenant bytes */
	PHASE_ENDED,   /* job's code has ended; the result blob is complete */
};

/* Which of its own failures a job ended with. Advisory: what is measured outside comes first. */
enum worker_reason {
	REASON_NONE,	       /* ran to its end, or was killed before it could say */
	REASON_COMPILE_ERROR,
	REASON_EXCEPTION,      /* uncaught exception */
	REASON_EXIT,	       /* SystemExit: the exit code is the process's */
	REASON_MEMORY_ERROR,   /* uncaught MemoryError */
	REASON_RECURSION_ERROR,
	REASON_OUTPUT_LIMIT,   /* stdout or stderr cap: detail says which */
	REASON_VALUE_LIMIT,    /* value and vars larger than value_bytes */
	REASON_VALUE_ERROR,    /* value or variable that JSON cannot hold, or is missing */
	REASON_OPCODE_LIMIT,   /* opcode budget used up */
	REASON_FILES_LIMIT,    /* what is to be collected is more than collected_bytes */
	REASON_STOPPED,	       /* did what page.stop asks for; the blob has the frames */
	REASON_COUNT
};

/*
 * Shared output stage of stdout and of stderr: two levels as in CPython, BufferedWriter's buffer
 * and TextIOWrapper's pending bytes (text). At any instant, what was printed is the stream's file,
 * then the buffer level, then the text level.
 */
#define STAGE_LEVEL_BYTES 8192u
struct page_stage {
	/* Valid bytes of both levels in one word, so that text moves into the buffer, or the buffer
	 * empties, in a single store. */
	uint64_t levels;
	/* Non-zero while the buffer level moves into the file: 1 + the file's size before. At death
	 * stintd drops from the buffer's front what the file has grown by since. */
	uint64_t flush_mark;
};
#define STAGE_LEVELS(buffer, text) ((uint64_t)(buffer) | (uint64_t)(text) << 32)
#define STAGE_BUFFER_OF(levels)	   ((uint32_t)(levels))
#define STAGE_TEXT_OF(levels)	   ((uint32_t)((levels) >> 32))
enum page_stream { PAGE_STREAM_STDOUT, PAGE_STREAM_STDERR, PAGE_STREAM_COUNT };

/*
 * What a job was charged is granted - left, in opcodes. The worker takes charges from `left`. When
 * it grants more it stores `left` before `granted`: who reads `granted` first never reads too much.
 */
struct page_meter {
	int64_t granted, left;
	uint64_t slept_ns; /* held back by its rate, all threads; sleeps that have ended */
};

/* Why stintd asks a worker to stop. It kills it soon after, whether the worker heeds it or not. */
enum page_stop { PAGE_STOP_NONE, PAGE_STOP_CPU, PAGE_STOP_WALL, PAGE_STOP_CANCEL };

/* First page of the page file: the worker maps it, stintd reads it (daemon/page_read.h). Each field
 * has one writer. */
struct worker_page {
	/* written by the worker */
	uint32_t phase;	      /* enum worker_phase */
	uint32_t reason;      /* enum worker_reason */
	uint32_t detail;      /* OUTPUT_LIMIT: 1 stdout, 2 stderr */
	uint32_t setup_step;  /* 1 + index of the set-up step that failed, 0 when none */
	uint32_t setup_errno;
	uint32_t trace_truncated; /* not 0: events were left out of the trace */
	uint64_t result_bytes; /* release-stored when the result blob is complete */
	uint64_t trace_bytes;  /* release-stored when an event is whole */
	struct page_meter meter;
	struct page_stage stages[PAGE_STREAM_COUNT];
	uint32_t ended; /* release-stored last, with TERMS_STOPS: 1 + the exit code; it stops now */
	char setup_name[28]; /* of the step that failed */
	/* written by stintd, on a cache line of its own */
	uint32_t stop; /* enum page_stop; not 0: end as soon as possible */
};
#define PAGE_HEADER_BYTES  4096u
/* Levels of a stream (enum page_stream), behind the header. */
#define PAGE_BUFFER_OFFSET(stream) (PAGE_HEADER_BYTES + 2u * (stream) * STAGE_LEVEL_BYTES)
#define PAGE_TEXT_OFFSET(stream)   (PAGE_BUFFER_OFFSET(stream) + STAGE_LEVEL_BYTES)
#define PAGE_MAPPED_BYTES	   PAGE_BUFFER_OFFSET(PAGE_STREAM_COUNT)
#define PAGE_RESULT_OFFSET 65536u
/* Largest result blob: value_bytes and collected_bytes at their maxima, names of files, error
 * texts, frames, warnings. Sparse. */
#define RESULT_BYTES_MAX (160u << 20)
/*
 * Events of a traced job: one JSON object in UTF-8 and a line end each, at most
 * TRACE_EVENT_BYTES_MAX with it. Sparse; counts as the job's memory, and the leaf grants that much
 * more to a traced job.
 */
#define PAGE_TRACE_OFFSET     (PAGE_RESULT_OFFSET + RESULT_BYTES_MAX)
#define TRACE_BYTES_MAX	      (16u << 20)
#define TRACE_EVENT_BYTES_MAX 8192u
#define PAGE_FILE_BYTES	      (PAGE_TRACE_OFFSET + TRACE_BYTES_MAX)
_Static_assert(offsetof(struct worker_page, stop) % 64 == 0, "stintd writes to a line of its own");
_Static_assert(sizeof(struct worker_page) <= PAGE_HEADER_BYTES, "the header fits its page");
_Static_assert(PAGE_MAPPED_BYTES <= PAGE_RESULT_OFFSET, "the result lies behind the stages");

#endif
