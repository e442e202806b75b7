/*
 * Receives, checks and reads what stintd sends to one worker.
 *
 * The record is of fixed size and holds no tenant byte; it comes under the wide filter, with
 * recvmsg, since descriptors may come with it. The blob is the tenant's and is read under the
 * narrow filter, with read, which brings no descriptor. Nothing of it is looked at here. Called by
 * worker_main.c only. Fails by -errno; the caller names the step and ends.
 */
#define _GNU_SOURCE
#include "worker/worker_terms.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS_KNOWN                                                                                \
	((uint32_t)(TERMS_STDIN_FD | TERMS_BLOB_FD | TERMS_ASYNCIO | TERMS_THREADS |               \
		    TERMS_STREAM | TERMS_SCRATCH | TERMS_CODE_FD | TERMS_STOPS))
#define FLAGS_FD ((uint32_t)(TERMS_STDIN_FD | TERMS_BLOB_FD | TERMS_CODE_FD))
#define FDS_MAX  3

static int
errno_of(const struct error *err)
{
	if (err->code == ERROR_BUSY)
		return EAGAIN;
	return err->sys > 0 ? err->sys : EPROTO;
}

int
worker_terms_receive(int channel, struct worker_terms *ret_terms, struct worker_terms_fds *ret_fds)
{
	struct error err = ERROR_INIT;
	struct worker_terms terms;
	int fds[FDS_MAX];
	size_t size, count, wanted, at = 0;

	if (base_recv_fds(channel, &terms, sizeof(terms), &size, fds, FDS_MAX, &count, NULL, 0,
			  &err) < 0)
		return err.code == ERROR_CLOSED ? -EPIPE : -errno_of(&err);
	wanted = (size == sizeof(terms)) ? (size_t)__builtin_popcount(terms.flags & FLAGS_FD)
					 : FDS_MAX + 1;
	if (count != wanted) {
		while (count > 0)
			base_close(&fds[--count]);
		return -EPROTO;
	}
	ret_fds->stdin_fd = terms.flags & TERMS_STDIN_FD ? fds[at++] : -1;
	ret_fds->blob_fd = terms.flags & TERMS_BLOB_FD ? fds[at++] : -1;
	ret_fds->code_fd = terms.flags & TERMS_CODE_FD ? fds[at++] : -1;
	*ret_terms = terms;
	return 0;
}

int
worker_terms_check(const struct worker_terms *terms, uint64_t serial)
{
	if (terms->magic != WORKER_TERMS_MAGIC || terms->serial != serial)
		return -EINVAL;
	if (terms->flags & ~FLAGS_KNOWN)
		return -EINVAL;
	if (!!(terms->flags & TERMS_THREADS) != (terms->limits.threads > 1))
		return -EINVAL;
	if ((terms->flags & TERMS_STOPS) && (terms->flags & (TERMS_THREADS | TERMS_SCRATCH)))
		return -EINVAL;
	if (!!(terms->flags & TERMS_SCRATCH) != (terms->limits.scratch_bytes > 0))
		return -EINVAL;
	/* Nothing at all comes as an empty file: an empty datagram reads like the end of the
	 * channel. */
	if ((terms->blob_bytes == 0 && !(terms->flags & TERMS_BLOB_FD)) ||
	    terms->blob_bytes > (terms->flags & TERMS_BLOB_FD ? WORKER_TERMS_BLOB_BYTES_MAX
							      : BLOB_INLINE_BYTES_MAX))
		return -EINVAL;
	if (terms->cpu_backstop_s == 0 || terms->core > WORKER_CORES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		uint64_t value = limits_get(&terms->limits, (enum limit_id)i);

		if (value < LIMITS[i].min || value > LIMITS[i].max)
			return -EINVAL;
	}
	return 0;
}

int
worker_terms_map_code(struct worker_terms_fds *fds, void **ret_code)
{
	struct stat status;
	int result = 0;
	void *code;

	*ret_code = NULL;
	if (fds->code_fd < 0)
		return 0;
	if (fstat(fds->code_fd, &status) < 0)
		result = -errno;
	else if ((uint64_t)status.st_size != CODE_FILE_BYTES)
		result = -EPROTO;
	if (result == 0) {
		code = mmap(NULL, CODE_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fds->code_fd,
			    0);
		if (code == MAP_FAILED)
			result = -errno;
		else
			*ret_code = code;
	}
	base_close(&fds->code_fd);
	return result;
}

static int
map_blob(size_t size, int fd, const void **ret_blob)
{
	struct stat status;
	void *blob;

	if (fstat(fd, &status) < 0)
		return -errno;
	if ((uint64_t)status.st_size < size)
		return -EPROTO;
	if (size == 0) {
		*ret_blob = "";
		return 0;
	}
	blob = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (blob == MAP_FAILED)
		return -errno;
	*ret_blob = blob;
	return 0;
}

static ssize_t
read_datagram(int channel, void *bytes, size_t size)
{
	ssize_t got;

	do
		got = read(channel, bytes, size);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Last of all, so that whatever fails before leaves the byte unread. */
static int
take_start_byte(int channel)
{
	uint8_t bytes[2]; /* a longer datagram must show */
	ssize_t got = read_datagram(channel, bytes, sizeof(bytes));

	if (got < 0)
		return -errno;
	if (got != 1 || bytes[0] != WORKER_START_BYTE)
		return got == 0 ? -EPIPE : -EPROTO;
	return 0;
}

int
worker_terms_read_blob(int channel, const struct worker_terms *terms, struct worker_terms_fds *fds,
		       const void **ret_blob)
{
	size_t size = (size_t)terms->blob_bytes;
	ssize_t got;
	void *blob;

	if (fds->blob_fd >= 0) {
		int result = map_blob(size, fds->blob_fd, ret_blob);

		base_close(&fds->blob_fd);
		return result < 0 ? result : take_start_byte(channel);
	}
	blob = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (blob == MAP_FAILED)
		return -errno;
	got = read_datagram(channel, blob, size + 1); /* one more: a longer datagram must show */
	if (got < 0)
		return -errno;
	if ((size_t)got != size)
		return got == 0 ? -EPIPE : -EPROTO;
	*ret_blob = blob;
	return 0;
}
