/*
 * stintd's reading side of a job's output: the append-only file and the stage in the shared page.
 *
 * Both are hostile: sizes are clamped, bytes are copied and never interpreted, the file is read
 * with pread and never mapped (a mapped file that shrinks kills its reader), and no more memory is
 * taken than the cap, one byte and both levels of the stage.
 */
#ifndef STINT_DAEMON_OUTPUT_READ_H
#define STINT_DAEMON_OUTPUT_READ_H

#include "protocol/error.h"
#include "protocol/run_result.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * All that the job printed on one stream, cut at `cap` bytes. To be called after the worker is
 * dead. fd: the stream's file, whose first `base` bytes are no output. stage: of that stream, from
 * the page whose file page_fd is. On success
 * ret_bytes->data is owned by the caller (free), NULL when empty; ret_truncated says that there was
 * more than the cap. ERROR_SYSTEM when the file cannot be read.
 */
int output_read(int fd, const struct page_stage *stage, int page_fd, enum page_stream stream,
		uint64_t base, uint64_t cap, struct bytes *ret_bytes, bool *ret_truncated,
		struct error *err);

/*
 * While the job runs: bytes of the output from *offset on (behind `base`), at most `max` and never
 * beyond `cap`, cut before an unfinished UTF-8 sequence at the end; moves *offset on by what it
 * returns. ret_bytes is owned by the caller, NULL and 0 when there is nothing new. A file that was
 * made shorter gives nothing. After the end, what is still to be sent is output_read's bytes from
 * *offset on.
 */
int output_read_new(int fd, uint64_t base, uint64_t *offset, uint64_t cap, size_t max,
		    struct bytes *ret_bytes, struct error *err);

#endif
