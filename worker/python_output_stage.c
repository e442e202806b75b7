/*
 * The shared stage of an output stream: text level, buffer level, file, and the cap.
 *
 * The process can be killed between any two instructions, and what was printed must then be
 * readable from outside, each byte once. Hence the order of stores: bytes are copied before the
 * word that makes them valid is stored; text moves into the buffer in one store of both sizes; and
 * while the buffer moves into the file, flush_mark holds the size that the file had, so that the
 * reader knows how much of the buffer has arrived. The CPU needs no fence for a reader that comes
 * after the death, the compiler does: hence release stores.
 *
 * The sizes are kept here too and never read back from the page. Nothing here calls into Python; a
 * stop at the cap is an _exit() without a destructor, a handler or an object of the tenant's.
 * Called by python_output.c. Fails with a negative errno when the descriptor does not take the
 * bytes.
 */
#include "worker/python_output_stage.h"

#include "worker/python_output_encode.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 16384u
/* What write(2) takes at once. */
#define WRITE_BYTES_MAX 0x7ffff000u

void
python_output_stage_init(struct output_stage *ret_stage, struct worker_page *page, void *page_base,
			 enum page_stream stream, int fd, uint64_t cap)
{
	uint8_t *base = page_base;

	memset(ret_stage, 0, sizeof(*ret_stage));
	ret_stage->fd = fd;
	ret_stage->detail = stream + 1;
	ret_stage->cap = cap;
	ret_stage->buffer = base + PAGE_BUFFER_OFFSET(stream);
	ret_stage->text = base + PAGE_TEXT_OFFSET(stream);
	ret_stage->page = page;
	ret_stage->shared = &page->stages[stream];
}

/* Make the sizes of both levels known to the reader, in one store, after their bytes. */
static inline void
publish(struct output_stage *stage)
{
	__atomic_store_n(&stage->shared->levels,
			 STAGE_LEVELS(stage->buffer_bytes, stage->text_bytes), __ATOMIC_RELEASE);
}

static inline void
mark(struct output_stage *stage, uint64_t value)
{
	__atomic_store_n(&stage->shared->flush_mark, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t
total(const struct output_stage *stage)
{
	return stage->file_bytes + stage->buffer_bytes + stage->text_bytes;
}

/* What BufferedWriter would still take. After a failed flush the level can hold more than that. */
static inline uint32_t
buffer_room(const struct output_stage *stage)
{
	return stage->buffer_bytes < OUTPUT_STAGE_BUFFER_BYTES
		   ? OUTPUT_STAGE_BUFFER_BYTES - stage->buffer_bytes
		   : 0;
}

static int
look_at_file(struct output_stage *stage)
{
	struct stat st;

	if (fstat(stage->fd, &st) < 0)
		return -errno;
	stage->file_bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

/* All of the bytes, or a negative errno; *ret_done counts in either case. */
static int
write_all(int fd, const uint8_t *bytes, size_t size, size_t *ret_done)
{
	*ret_done = 0;
	while (*ret_done < size) {
		size_t rest = size - *ret_done;
		ssize_t n =
		    write(fd, bytes + *ret_done, rest < WRITE_BYTES_MAX ? rest : WRITE_BYTES_MAX);

		if (n > 0)
			*ret_done += (size_t)n;
		else if (n == 0)
			return -EIO;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Buffer level to file, whatever the cap says. */
static int
move_to_file(struct output_stage *stage)
{
	size_t done;
	int rc = look_at_file(stage);

	if (rc < 0)
		return rc;
	mark(stage, 1 + stage->file_bytes);
	rc = write_all(stage->fd, stage->buffer, stage->buffer_bytes, &done);
	stage->file_bytes += done;
	if (rc < 0) {
		/* A part may have arrived. EFBIG is left as it is, with its mark: a stop follows.
		 */
		if (rc == -EFBIG)
			return rc;
		memmove(stage->buffer, stage->buffer + done, stage->buffer_bytes - done);
	}
	stage->buffer_bytes -= (uint32_t)done;
	publish(stage);
	mark(stage, 0);
	return rc;
}

/* `limit` bytes at most of the source, straight to the file; the buffer level is empty. */
static int
write_through(struct output_stage *stage, const struct output_source *source, uint64_t limit)
{
	uint8_t piece[PIECE_BYTES];
	uint64_t left = source->bytes < limit ? source->bytes : limit;
	size_t at = 0, done;
	int rc = 0;

	if (source->kind == 0) {
		rc = write_all(stage->fd, source->data, left, &done);
		stage->file_bytes += done;
		return rc;
	}
	while (left > 0 && rc == 0) {
		size_t size = python_output_encode(source->kind, source->data, source->length, &at,
						   piece, sizeof(piece));

		if (size == OUTPUT_ENCODE_REFUSED || size == 0)
			return -EILSEQ;
		if (size > left)
			size = left;
		rc = write_all(stage->fd, piece, size, &done);
		stage->file_bytes += done;
		left -= done;
	}
	return rc;
}

/*
 * The cap is passed, by `source` (may be NULL) after what the levels hold: leave one byte more than
 * the cap in file and levels, say why, and end. `over_text`: the source lies behind the text level,
 * else it goes before it, as bytes written to the buffer do.
 */
static void __attribute__((noreturn))
stop(struct output_stage *stage, const struct output_source *source, bool over_text)
{
	if (source && total(stage) <= stage->cap) {
		int rc = move_to_file(stage);

		if (over_text && rc == 0 && stage->text_bytes > 0) {
			memcpy(stage->buffer, stage->text, stage->text_bytes);
			stage->buffer_bytes = stage->text_bytes;
			stage->text_bytes = 0;
			publish(stage);
			rc = move_to_file(stage);
		}
		if (rc == 0)
			(void)write_through(stage, source, stage->cap + 1 - stage->file_bytes);
	}
	__atomic_store_n(&stage->page->detail, stage->detail, __ATOMIC_RELAXED);
	__atomic_store_n(&stage->page->reason, REASON_OUTPUT_LIMIT, __ATOMIC_RELEASE);
	_exit(1);
}

/* May `size` more bytes be printed? Looks at the file again before it says no. */
static inline bool
fits(struct output_stage *stage, size_t size)
{
	uint64_t now = total(stage);

	if (__builtin_expect(now <= stage->cap && size <= stage->cap - now, 1))
		return true;
	(void)look_at_file(stage);
	now = total(stage);
	return now <= stage->cap && size <= stage->cap - now;
}

int
python_output_stage_flush(struct output_stage *stage)
{
	int rc;

	if (stage->buffer_bytes == 0)
		return 0;
	rc = move_to_file(stage);
	if (rc == -EFBIG || (rc == 0 && total(stage) > stage->cap))
		stop(stage, NULL, false);
	return rc;
}

int
python_output_stage_text_down(struct output_stage *stage)
{
	uint32_t moved = stage->text_bytes;
	int rc;

	if (moved == 0)
		return 0;
	if (moved > buffer_room(stage)) {
		rc = python_output_stage_flush(stage);
		if (rc < 0)
			return rc;
	}
	/* The level has room for a whole chunk even where BufferedWriter would not keep it. */
	memcpy(stage->buffer + stage->buffer_bytes, stage->text, moved);
	stage->buffer_bytes += moved;
	stage->text_bytes = 0;
	publish(stage);
	return moved > OUTPUT_STAGE_BUFFER_BYTES ? python_output_stage_flush(stage) : 0;
}

/* More than the buffer keeps: empty it, then write the source itself. */
static int
write_large(struct output_stage *stage, const struct output_source *source)
{
	int rc = python_output_stage_flush(stage);

	if (rc == 0)
		rc = write_through(stage, source, UINT64_MAX);
	if (rc == -EFBIG)
		stop(stage, NULL, false);
	return rc;
}

int
python_output_stage_buffer(struct output_stage *stage, const void *bytes, size_t size)
{
	const struct output_source source = {.data = bytes, .length = size, .bytes = size};

	if (size == 0)
		return 0;
	if (!fits(stage, size))
		stop(stage, &source, false);
	if (size > buffer_room(stage)) {
		int rc;

		if (size > OUTPUT_STAGE_BUFFER_BYTES)
			return write_large(stage, &source);
		rc = python_output_stage_flush(stage);
		if (rc < 0)
			return rc;
	}
	memcpy(stage->buffer + stage->buffer_bytes, bytes, size);
	stage->buffer_bytes += (uint32_t)size;
	publish(stage);
	return 0;
}

int
python_output_stage_text(struct output_stage *stage, const struct output_source *source)
{
	size_t size = source->bytes, at = 0;
	int rc;

	if (size == 0)
		return 0;
	if (!fits(stage, size))
		stop(stage, source, true);
	if (size > OUTPUT_STAGE_TEXT_BYTES - stage->text_bytes) {
		rc = python_output_stage_text_down(stage);
		if (rc < 0)
			return rc;
	}
	if (size >= OUTPUT_STAGE_TEXT_BYTES)
		return write_large(stage, source);
	if (source->kind == 0)
		memcpy(stage->text + stage->text_bytes, source->data, size);
	else if (python_output_encode(source->kind, source->data, source->length, &at,
				      stage->text + stage->text_bytes, size) != size)
		return -EILSEQ;
	stage->text_bytes += (uint32_t)size;
	publish(stage);
	if (stage->text_bytes >= OUTPUT_STAGE_TEXT_BYTES)
		return python_output_stage_text_down(stage);
	return 0;
}

void
python_output_stage_discard_text(struct output_stage *stage)
{
	stage->text_bytes = 0;
	publish(stage);
}

void
python_output_stage_discard(struct output_stage *stage)
{
	stage->buffer_bytes = 0;
	stage->text_bytes = 0;
	publish(stage);
}

void
python_output_stage_check(struct output_stage *stage)
{
	if (look_at_file(stage) == 0 && total(stage) > stage->cap)
		stop(stage, NULL, false);
}
