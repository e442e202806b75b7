/*
 * The two levels of bytes that a stream holds back, kept in the shared page, with CPython's
 * thresholds and the cap. Plain C: knows nothing of Python. One writer at a time (the GIL sees to
 * that).
 *
 * At every instant the printed bytes are: file, buffer level, text level; see struct page_stage.
 * Functions return 0 or a negative errno of the failed fstat or write; what could not be written
 * stays where it was. Bytes above the cap end the process instead (see python_output.h).
 */
#ifndef STINT_WORKER_PYTHON_OUTPUT_STAGE_H
#define STINT_WORKER_PYTHON_OUTPUT_STAGE_H

#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What open() gives BufferedWriter for a pipe or a memfd: the descriptor's st_blksize. */
#define OUTPUT_STAGE_BUFFER_BYTES 4096u
/* TextIOWrapper's chunk: pending text of this size moves on. */
#define OUTPUT_STAGE_TEXT_BYTES STAGE_LEVEL_BYTES

struct output_stage {
	int fd;          /* borrowed: 1 or 2 */
	uint32_t detail; /* page->detail at a stop */
	uint32_t buffer_bytes, text_bytes;
	uint64_t file_bytes; /* size of the file when last seen; others may write to it too */
	uint64_t cap;
	uint8_t *buffer, *text;    /* borrowed: in the page */
	struct page_stage *shared; /* borrowed: in the page */
	struct worker_page *page;  /* borrowed */
};

/* Characters as CPython stores them: `kind` bytes each (1, 2 or 4); bytes as they are with kind 0.
 */
struct output_source {
	const void *data; /* borrowed */
	size_t length;    /* characters; bytes for kind 0 */
	size_t bytes;     /* in UTF-8 */
	unsigned kind;
};

/* `page_base` (borrowed): PAGE_MAPPED_BYTES; `page` (borrowed): its header, or that of a test. */
void python_output_stage_init(struct output_stage *ret_stage, struct worker_page *page,
			      void *page_base, enum page_stream stream, int fd, uint64_t cap);
/* As TextIOWrapper.write after encoding, without flush. */
int python_output_stage_text(struct output_stage *stage, const struct output_source *source);
/* As BufferedWriter.write. */
int python_output_stage_buffer(struct output_stage *stage, const void *bytes, size_t size);
/* Text level to buffer level: what TextIOWrapper does when its chunk is full. */
int python_output_stage_text_down(struct output_stage *stage);
/* Buffer level to file. */
int python_output_stage_flush(struct output_stage *stage);
/* Forget the text level, or both: their stream was closed over them. */
void python_output_stage_discard_text(struct output_stage *stage);
void python_output_stage_discard(struct output_stage *stage);
/* End the process if more than the cap was printed, also by writes that went around the stage. */
void python_output_stage_check(struct output_stage *stage);

#endif
