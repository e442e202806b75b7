/*
 * Whole reads and writes, anonymous memory files and small kernel files. Descriptor passing is in
 * base_fds.c.
 *
 * Every call retries on EINTR, continues after a short transfer, makes descriptors close-on-exec,
 * and reports through struct error. Nothing here logs. Callers are on both sides of every trust
 * boundary.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u /* Linux 6.3, as the one before */
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define SYS_SEALS              (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define SYS_MOVED_BYTES_MAX    (32u << 20)
#define SYS_POPULATE_MIN_BYTES 65536u
#define SYS_COLLAPSE_TRIES     3 /* EAGAIN: a page was just in use */
#define SYS_PAGE_BYTES         4096u
#define SYS_NUMBER_BYTES       64
#define SYS_STAT_BYTES         8192

void
base_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

int
base_read_full(int fd, void *ret_bytes, size_t size, struct error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(fd, (char *)ret_bytes + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "read");
		if (n == 0)
			return error_set(err, ERROR_CLOSED, "read: end of file after %zu of %zu",
					 done, size);
		done += (size_t)n;
	}
	return 0;
}

int
base_write_full(int fd, const void *bytes, size_t size, struct error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = write(fd, (const char *)bytes + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return error_set(err, ERROR_CLOSED, "write: nobody reads");
		if (n < 0)
			return error_errno(err, "write");
		done += (size_t)n;
	}
	return 0;
}

int
base_pread_full(int fd, void *ret_bytes, size_t size, off_t offset, struct error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(fd, (char *)ret_bytes + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "pread");
		if (n == 0)
			return error_set(err, ERROR_CLOSED, "pread: end of file after %zu of %zu",
					 done, size);
		done += (size_t)n;
	}
	return 0;
}

int
base_pwrite_full(int fd, const void *bytes, size_t size, off_t offset, struct error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pwrite(fd, (const char *)bytes + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "pwrite");
		done += (size_t)n;
	}
	return 0;
}

int
base_memfd(const char *name, size_t size, int *ret_fd, struct error *err)
{
	autoclose int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* Kernels before 6.3 do not know the flag that keeps the file from being executed. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return error_errno(err, "memfd_create %s", name);
	if (size == 0) {
		/* A new memfd has none of the flags that this sets. */
		if (fcntl(fd, F_SETFL, O_APPEND) < 0)
			return error_errno(err, "memfd %s: O_APPEND", name);
	} else {
		if (ftruncate(fd, (off_t)size) < 0)
			return error_errno(err, "memfd %s: ftruncate to %zu", name, size);
		if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
			return error_errno(err, "memfd %s: seal", name);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int
base_memfd_copy(const char *name, const void *from, size_t used, size_t bytes, bool executable)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | (executable ? MFD_EXEC : MFD_NOEXEC_SEAL));

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	/* Past the C library, in whose place a sanitizer would look at the redzones in there. */
	if (fd >= 0 && (ftruncate(fd, (off_t)bytes) < 0 ||
			syscall(SYS_pwrite64, fd, from, used, 0) != (long)used ||
			fcntl(fd, F_ADD_SEALS, SYS_SEALS) < 0))
		base_close(&fd);
	return fd;
}

/*
 * A kernel file as text, NUL terminated and cut at size - 1. Those files are one record of whole
 * lines, which a read gives whole if there is room: what ends with a line before the room does is
 * all of it, and no second read asks whether.
 */
static int
sys_read_text(int fd, char *ret_text, size_t size, size_t *ret_length, struct error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size - 1) {
		n = pread(fd, ret_text + done, size - 1 - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "read of a kernel file");
		if (n == 0)
			break;
		done += (size_t)n;
		if (ret_text[done - 1] == '\n')
			break;
	}
	ret_text[done] = '\0';
	*ret_length = done;
	return 0;
}

/* Decimal digits up to a line end, a NUL or a blank; "max" is the largest value. */
static int
sys_parse_u64(const char *text, uint64_t *ret_value, struct error *err)
{
	const char *at = text;
	uint64_t value = 0;
	bool more = true;

	if (strncmp(text, "max", 3) == 0) {
		value = UINT64_MAX;
		at += 3;
		more = false;
	}
	for (; more && *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return error_set(err, ERROR_INVALID, "kernel file: number too large");
		value = value * 10 + digit;
	}
	if (at == text || (*at != '\0' && *at != '\n' && *at != ' '))
		return error_set(err, ERROR_INVALID, "kernel file: no number where one belongs");
	*ret_value = value;
	return 0;
}

int
base_file_read_u64(int fd, uint64_t *ret_value, struct error *err)
{
	char text[SYS_NUMBER_BYTES];
	size_t length;
	int r = sys_read_text(fd, text, sizeof(text), &length, err);

	return r < 0 ? r : sys_parse_u64(text, ret_value, err);
}

int
base_file_write_u64(int fd, uint64_t value, struct error *err)
{
	char text[SYS_NUMBER_BYTES];
	int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	ssize_t n;

	/* One write: a kernel file takes its value whole or not at all. */
	do {
		n = pwrite(fd, text, (size_t)length, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, "write of %" PRIu64 " to a kernel file", value);
	if (n != length)
		return error_set(err, ERROR_SYSTEM, "kernel file: short write");
	return 0;
}

int
base_file_read_key(int fd, const char *key, uint64_t *ret_value, struct error *err)
{
	char text[SYS_STAT_BYTES];
	size_t length, key_length = strlen(key);
	int r = sys_read_text(fd, text, sizeof(text), &length, err);

	if (r < 0)
		return r;
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, key, key_length) == 0 && line[key_length] == ' ')
			return sys_parse_u64(line + key_length + 1, ret_value, err);
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return error_set(err, ERROR_NOT_FOUND, "kernel file: no line \"%s\"", key);
}

void *
base_large_malloc(size_t size)
{
	void *bytes;

	if (size < BASE_LARGE_BYTES)
		return malloc(size);
	if (size > PTRDIFF_MAX - BASE_HUGE_BYTES)
		return NULL;
	size = (size + BASE_HUGE_BYTES - 1) / BASE_HUGE_BYTES * BASE_HUGE_BYTES;
	bytes = aligned_alloc(BASE_HUGE_BYTES, size);
	if (bytes)
		(void)madvise(bytes, size, MADV_HUGEPAGE);
	return bytes;
}

/* Huge pages are for what is allocated as a whole: realloc would move it off them. But both are
 * there for a moment. */
void *
base_large_realloc(void *bytes, size_t used, size_t size)
{
	void *moved;

	if (size < BASE_LARGE_BYTES || used > SYS_MOVED_BYTES_MAX)
		return realloc(bytes, size);
	moved = base_large_malloc(size);
	if (!moved)
		return NULL;
	if (used > 0)
		memcpy(moved, bytes, used);
	free(bytes);
	return moved;
}

/*
 * Whole pages only: where they are larger, the call refuses what does not fit. In parts, since
 * other threads' memory cannot change while the kernel is at it.
 */
void
base_populate(void *bytes, size_t size)
{
	uintptr_t at = ((uintptr_t)bytes + SYS_PAGE_BYTES - 1) & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)bytes + size) & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	int saved = errno;

	if (size < SYS_POPULATE_MIN_BYTES)
		return;
	while (at < end) {
		size_t part = end - at < BASE_HUGE_BYTES ? end - at : BASE_HUGE_BYTES;

		if (madvise((void *)at, part, MADV_POPULATE_WRITE) != 0)
			break;
		at += part;
	}
	errno = saved;
}

bool
base_reserve(uintptr_t start, size_t bytes)
{
	void *got;

	if (bytes == 0)
		return true;
	got = mmap((void *)start, bytes, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	/* A kernel that does not know the flag takes the address for a hint. */
	if (got != (void *)start && got != MAP_FAILED)
		(void)munmap(got, bytes);
	return got == (void *)start;
}

size_t
base_collapse(uintptr_t start, uintptr_t end)
{
	size_t bytes = 0;

	if (sysconf(_SC_PAGESIZE) != SYS_PAGE_BYTES)
		return 0;
	start = (start + BASE_HUGE_BYTES - 1) & ~(uintptr_t)(BASE_HUGE_BYTES - 1);
	for (; start < end && end - start >= BASE_HUGE_BYTES; start += BASE_HUGE_BYTES) {
		int result = -1;

		/* Linux 6.1 wants memory to have a page that can be written to (after a fork none
		 * can), and a file's range to have a page table. */
		if (madvise((void *)start, SYS_PAGE_BYTES, MADV_POPULATE_WRITE) < 0)
			(void)madvise((void *)start, SYS_PAGE_BYTES, MADV_POPULATE_READ);
		for (int i = 0; i < SYS_COLLAPSE_TRIES && result < 0; i++) {
			result = madvise((void *)start, BASE_HUGE_BYTES, MADV_COLLAPSE);
			if (result < 0 && errno != EAGAIN)
				break;
		}
		if (result == 0)
			bytes += BASE_HUGE_BYTES;
	}
	return bytes;
}
