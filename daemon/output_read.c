/*
 * Putting together what a dead worker had printed: file, buffer level, text level.
 *
 * A worker that died while its buffer level was on its way into the file left flush_mark: the
 * file's size before. What the file has grown by since is dropped from the buffer's front, after a
 * look that it is the same bytes: another thread of the job may have written to the file at that
 * moment. Does nothing with the bytes but compare and copy. Called by the stage that makes a job's
 * result; fails only when the file cannot be read or memory is short.
 */
#define _GNU_SOURCE /* memmem */
#include "daemon/output_read.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without the `base` that stintd made it with; a job may have cut it below that. */
static int
file_size(int fd, uint64_t base, uint64_t *ret_size, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "size of an output file");
	*ret_size = st.st_size > 0 && (uint64_t)st.st_size > base ? (uint64_t)st.st_size - base : 0;
	return 0;
}

/* As many bytes as there are, at most `size`: the file may be shorter than it was. */
static int
read_at(int fd, uint8_t *ret_bytes, size_t size, uint64_t offset, size_t *ret_size,
	struct error *err)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, ret_bytes + got, size - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "reading an output file");
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret_size = got;
	return 0;
}

/* How much of the buffer's front lies at the end of the file, behind its first `before` bytes. */
static size_t
arrived(const uint8_t *file, size_t size, size_t before, const uint8_t *buffer, size_t buffer_size)
{
	const uint8_t *grown = file + before;
	size_t growth = size - before, part = growth < buffer_size ? growth : buffer_size;

	if (growth <= buffer_size && memcmp(grown, buffer, growth) == 0)
		return growth;
	/* Somebody else wrote too: the whole buffer, or else the longest front of it at the end. */
	if (growth >= buffer_size && memmem(grown, growth, buffer, buffer_size))
		return buffer_size;
	for (; part > 0; part--)
		if (memcmp(file + size - part, buffer, part) == 0)
			break;
	return part;
}

int
output_read(int fd, const struct page_stage *stage, int page_fd, enum page_stream stream,
	    uint64_t base, uint64_t cap, struct bytes *ret_bytes, bool *ret_truncated,
	    struct error *err)
{
	uint32_t buffer_size = STAGE_BUFFER_OF(stage->levels);
	uint32_t text_size = STAGE_TEXT_OF(stage->levels);
	uint8_t buffer[STAGE_LEVEL_BYTES], *data;
	uint64_t in_file = 0, want;
	size_t size, drop = 0;
	uint64_t mark = stage->flush_mark > base ? stage->flush_mark - base : 0;
	int rc = file_size(fd, base, &in_file, err);

	if (rc < 0)
		return rc;
	if (buffer_size > STAGE_LEVEL_BYTES)
		buffer_size = STAGE_LEVEL_BYTES;
	if (text_size > STAGE_LEVEL_BYTES)
		text_size = STAGE_LEVEL_BYTES;
	want = in_file <= cap ? in_file : cap + 1;
	data = base_large_malloc(want + 2 * STAGE_LEVEL_BYTES);
	if (data == NULL)
		return error_set(err, ERROR_LIMIT, "no memory for %llu bytes of output",
				 (unsigned long long)want);
	base_populate(data, want);
	rc = read_at(fd, data, want, base, &size, err);
	if (rc == 0 && buffer_size > 0)
		rc = base_pread_full(page_fd, buffer, buffer_size, PAGE_BUFFER_OFFSET(stream), err);
	if (rc < 0) {
		free(data);
		return rc;
	}
	if (mark > 0 && mark - 1 <= size && buffer_size > 0)
		drop = arrived(data, size, (size_t)(mark - 1), buffer, buffer_size);
	memcpy(data + size, buffer + drop, buffer_size - drop);
	size += buffer_size - drop;
	if (text_size > 0)
		rc =
		    base_pread_full(page_fd, data + size, text_size, PAGE_TEXT_OFFSET(stream), err);
	if (rc < 0) {
		free(data);
		return rc;
	}
	size += text_size;
	*ret_truncated = size > cap;
	ret_bytes->size = size > cap ? cap : size;
	ret_bytes->data = data;
	if (ret_bytes->size == 0) {
		free(data);
		ret_bytes->data = NULL;
	}
	return 0;
}

/* Bytes at the end that begin a UTF-8 sequence and do not complete it: 0 to 3. */
static size_t
unfinished(const uint8_t *bytes, size_t size)
{
	for (size_t back = 1; back <= 3 && back <= size; back++) {
		uint8_t byte = bytes[size - back];
		size_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;

		if ((byte & 0xc0) == 0x80)
			continue;
		return need > back ? back : 0;
	}
	return 0;
}

int
output_read_new(int fd, uint64_t base, uint64_t *offset, uint64_t cap, size_t max,
		struct bytes *ret_bytes, struct error *err)
{
	uint64_t in_file = 0, end;
	uint8_t *data;
	size_t size;
	int rc = file_size(fd, base, &in_file, err);

	if (rc < 0)
		return rc;
	end = in_file < cap ? in_file : cap;
	*ret_bytes = (struct bytes){NULL, 0};
	if (end <= *offset || max == 0)
		return 0;
	size = end - *offset < max ? (size_t)(end - *offset) : max;
	data = malloc(size);
	if (data == NULL)
		return error_set(err, ERROR_LIMIT, "no memory for %zu bytes of output", size);
	rc = read_at(fd, data, size, base + *offset, &size, err);
	if (rc < 0) {
		free(data);
		return rc;
	}
	size -= unfinished(data, size);
	if (size == 0) {
		free(data);
		return 0;
	}
	*offset += size;
	*ret_bytes = (struct bytes){data, size};
	return 0;
}
