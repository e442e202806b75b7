/*
 * The limits record and the blob as a worker takes them: each rule broken once, on a real channel.
 */
#define _GNU_SOURCE
#include "worker/worker_terms.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define SERIAL 42

static struct worker_terms
good(void)
{
	struct worker_terms terms = {
	    .magic = WORKER_TERMS_MAGIC, .serial = SERIAL, .blob_bytes = 5, .cpu_backstop_s = 12};

	limits_defaults(&terms.limits);
	return terms;
}

static void
test_check(void **state)
{
	struct worker_terms terms = good();

	assert_int_equal(worker_terms_check(&terms, SERIAL), 0);
	assert_int_equal(worker_terms_check(&terms, SERIAL + 1), -EINVAL);
	terms.core = WORKER_CORES_MAX;
	assert_int_equal(worker_terms_check(&terms, SERIAL), 0);
	limits_maxima(&terms.limits);
	assert_int_equal(worker_terms_check(&terms, SERIAL), -EINVAL); /* threads, no flag */
	terms.flags = TERMS_THREADS;
	assert_int_equal(worker_terms_check(&terms, SERIAL), -EINVAL); /* scratch, no flag */
	terms.flags = TERMS_THREADS | TERMS_SCRATCH;
	assert_int_equal(worker_terms_check(&terms, SERIAL), 0);
	terms.limits.scratch_bytes = 0;
	assert_int_equal(worker_terms_check(&terms, SERIAL), -EINVAL); /* a flag, no scratch */
	terms.flags = TERMS_THREADS;
	assert_int_equal(worker_terms_check(&terms, SERIAL), 0);
	terms.flags = TERMS_THREADS | TERMS_BLOB_FD;
	terms.blob_bytes = 0;
	assert_int_equal(worker_terms_check(&terms, SERIAL), 0);
	terms.blob_bytes = WORKER_TERMS_BLOB_BYTES_MAX;
	assert_int_equal(worker_terms_check(&terms, SERIAL), 0);
}

static void
test_check_refuses(void **state)
{
	struct worker_terms bad[12];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bad[i] = good();
	bad[count++].magic++;
	bad[count++].serial++;
	bad[count++].flags = TERMS_THREADS;
	bad[count++].flags = 1u << 31;
	bad[count++].blob_bytes = 0;
	bad[count++].blob_bytes = BLOB_INLINE_BYTES_MAX + 1;
	bad[count].flags = TERMS_BLOB_FD;
	bad[count++].blob_bytes = WORKER_TERMS_BLOB_BYTES_MAX + 1u;
	bad[count++].cpu_backstop_s = 0;
	bad[count++].core = WORKER_CORES_MAX + 1;
	bad[count++].core = UINT64_MAX;
	bad[count++].limits.threads = 0;
	bad[count++].limits.threads = 17;
	for (size_t i = 0; i < count; i++)
		if (worker_terms_check(&bad[i], SERIAL) != -EINVAL)
			fail_msg("record %zu passed", i);
}

static void
test_check_refuses_each_limit(void **state)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		struct worker_terms terms = good();

		limits_set(&terms.limits, (enum limit_id)i, LIMITS[i].max + 1);
		assert_int_equal(worker_terms_check(&terms, SERIAL), -EINVAL);
		if (LIMITS[i].min > 0) {
			limits_set(&terms.limits, (enum limit_id)i, LIMITS[i].min - 1);
			assert_int_equal(worker_terms_check(&terms, SERIAL), -EINVAL);
		}
	}
}

struct channel {
	int ours, theirs;
	struct worker_terms terms;
	struct worker_terms_fds fds;
};

static void
open_channel(struct channel *channel)
{
	int fds[2];

	assert_int_equal(base_socketpair(fds, NULL), 0);
	*channel = (struct channel){fds[0], fds[1], {0}, {-1, -1, -1}};
}

static void
close_channel(struct channel *channel)
{
	base_close(&channel->ours);
	base_close(&channel->theirs);
	base_close(&channel->fds.stdin_fd);
	base_close(&channel->fds.blob_fd);
	base_close(&channel->fds.code_fd);
}

static int
receive(struct channel *channel, uint32_t flags, size_t size, const int *fds, size_t count)
{
	struct worker_terms terms = good();

	terms.flags = flags;
	assert_int_equal(base_send_fds(channel->ours, &terms, size, fds, count, 0, NULL), 0);
	return worker_terms_receive(channel->theirs, &channel->terms, &channel->fds);
}

static void
test_receive(void **state)
{
	const size_t size = sizeof(struct worker_terms);
	int fds[3] = {STDOUT_FILENO, STDERR_FILENO, STDERR_FILENO};
	struct channel channel;

	open_channel(&channel);
	assert_int_equal(receive(&channel, 0, size, NULL, 0), 0);
	assert_int_equal(channel.fds.stdin_fd, -1);
	assert_int_equal(channel.fds.blob_fd, -1);
	assert_int_equal(receive(&channel, TERMS_BLOB_FD, size, fds, 1), 0);
	assert_int_equal(channel.fds.stdin_fd, -1);
	assert_true(channel.fds.blob_fd > 2);
	base_close(&channel.fds.blob_fd);
	assert_int_equal(receive(&channel, TERMS_STDIN_FD | TERMS_BLOB_FD, size, fds, 2), 0);
	assert_true(channel.fds.stdin_fd > 2 && channel.fds.blob_fd > 2);
	assert_int_equal(channel.fds.code_fd, -1);
	base_close(&channel.fds.stdin_fd);
	base_close(&channel.fds.blob_fd);
	assert_int_equal(receive(&channel, TERMS_CODE_FD, size, fds, 1), 0);
	assert_true(channel.fds.code_fd > 2);
	assert_int_equal(channel.fds.stdin_fd, -1);
	assert_int_equal(channel.fds.blob_fd, -1);
	base_close(&channel.fds.code_fd);
	assert_int_equal(
	    receive(&channel, TERMS_STDIN_FD | TERMS_BLOB_FD | TERMS_CODE_FD, size, fds, 3), 0);
	assert_true(channel.fds.stdin_fd > 2 && channel.fds.blob_fd > 2 && channel.fds.code_fd > 2);
	close_channel(&channel);
}

/* The room for code: mapped, its descriptor closed; a file of another size is none. */
static void
test_map_code(void **state)
{
	static const off_t SIZES[] = {0, CODE_FILE_BYTES - 1, CODE_FILE_BYTES + 1};
	struct worker_terms_fds fds = {-1, -1, -1};
	void *code = &fds;
	int kept;

	assert_int_equal(worker_terms_map_code(&fds, &code), 0);
	assert_null(code);
	for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		fds.code_fd = memfd_create("code", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fds.code_fd, SIZES[i]), 0);
		assert_int_equal(worker_terms_map_code(&fds, &code), -EPROTO);
		assert_int_equal(fds.code_fd, -1);
		assert_null(code);
	}
	assert_int_equal(base_memfd("code", CODE_FILE_BYTES, &fds.code_fd, NULL), 0);
	kept = dup(fds.code_fd);
	assert_int_equal(worker_terms_map_code(&fds, &code), 0);
	assert_int_equal(fds.code_fd, -1);
	((char *)code)[CODE_FILE_BYTES - 1] = 'z';
	assert_int_equal(pread(kept, &fds, 1, CODE_FILE_BYTES - 1), 1);
	assert_int_equal(*(char *)&fds, 'z');
	assert_int_equal(munmap(code, CODE_FILE_BYTES), 0);
	fds.code_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(worker_terms_map_code(&fds, &code), -EPROTO);
	(void)close(kept);
}

static void
test_receive_refuses(void **state)
{
	const size_t size = sizeof(struct worker_terms);
	int fds[3] = {STDOUT_FILENO, STDOUT_FILENO, STDOUT_FILENO}, lowest = dup(0), again;
	struct channel channel;

	(void)close(lowest);
	open_channel(&channel);
	assert_int_equal(receive(&channel, 0, size, fds, 1), -EPROTO);
	assert_int_equal(receive(&channel, TERMS_BLOB_FD, size, NULL, 0), -EPROTO);
	assert_int_equal(receive(&channel, TERMS_BLOB_FD, size, fds, 2), -EPROTO);
	assert_int_equal(receive(&channel, 0, size - 1, NULL, 0), -EPROTO);
	assert_int_equal(receive(&channel, 0, size - 1, fds, 2), -EPROTO);
	assert_int_equal(receive(&channel, TERMS_CODE_FD, size, NULL, 0), -EPROTO);
	assert_int_equal(receive(&channel, TERMS_CODE_FD | TERMS_BLOB_FD, size, fds, 1), -EPROTO);
	assert_true(receive(&channel, TERMS_BLOB_FD, size, fds, 3) < 0);
	base_close(&channel.ours);
	assert_int_equal(worker_terms_receive(channel.theirs, &channel.terms, &channel.fds),
			 -EPIPE);
	close_channel(&channel);
	/* nothing that was refused has stayed open */
	again = dup(0);
	assert_int_equal(again, lowest);
	(void)close(again);
}

static void
test_blob_by_datagram(void **state)
{
	const struct worker_terms terms = good();
	const void *blob = NULL;
	struct channel channel;

	open_channel(&channel);
	assert_int_equal(base_send_fds(channel.ours, "hello", 5, NULL, 0, 0, NULL), 0);
	assert_int_equal(worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob), 0);
	assert_memory_equal(blob, "hello", 5);
	assert_int_equal(base_send_fds(channel.ours, "hell", 4, NULL, 0, 0, NULL), 0);
	assert_int_equal(worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob),
			 -EPROTO);
	assert_int_equal(base_send_fds(channel.ours, "hello!", 6, NULL, 0, 0, NULL), 0);
	assert_int_equal(worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob),
			 -EPROTO);
	base_close(&channel.ours);
	assert_int_equal(worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob),
			 -EPIPE);
	close_channel(&channel);
}

static void
test_blob_by_file(void **state)
{
	struct worker_terms terms = good();
	const void *blob = NULL;
	struct channel channel;

	const uint8_t start = WORKER_START_BYTE;

	open_channel(&channel);
	terms.flags = TERMS_BLOB_FD;
	for (unsigned extra = 0; extra < 3; extra++) { /* as said, longer, shorter */
		channel.fds.blob_fd = memfd_create("blob", MFD_CLOEXEC);
		assert_int_equal(base_write_full(channel.fds.blob_fd, "hello!",
						 extra == 2 ? 4 : 5 + extra, NULL),
				 0);
		assert_int_equal(base_send_fds(channel.ours, &start, 1, NULL, 0, 0, NULL), 0);
		assert_int_equal(
		    worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob),
		    extra == 2 ? -EPROTO : 0);
		assert_int_equal(channel.fds.blob_fd, -1);
		assert_memory_equal(blob, "hello", 5);
	}
	/* What failed has left its byte unread: the proof that no code of the job ran. */
	terms.blob_bytes = 0;
	channel.fds.blob_fd = memfd_create("blob", MFD_CLOEXEC);
	assert_int_equal(worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob), 0);
	close_channel(&channel);
}

/* The byte that starts a job is waited for, and no other will do. */
static void
test_start_of_a_file(void **state)
{
	static const struct {
		const char *sent;
		int result;
	} CASES[] = {{"S", 0}, {"T", -EPROTO}, {"SS", -EPROTO}, {NULL, -EPIPE}};
	struct worker_terms terms = good();
	const void *blob = NULL;
	struct channel channel;

	terms.flags = TERMS_BLOB_FD;
	terms.blob_bytes = 0;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		open_channel(&channel);
		channel.fds.blob_fd = memfd_create("blob", MFD_CLOEXEC);
		if (CASES[i].sent)
			assert_int_equal(base_send_fds(channel.ours, CASES[i].sent,
						       strlen(CASES[i].sent), NULL, 0, 0, NULL),
					 0);
		base_close(&channel.ours);
		assert_int_equal(
		    worker_terms_read_blob(channel.theirs, &terms, &channel.fds, &blob),
		    CASES[i].result);
		close_channel(&channel);
	}
}

/* What the kernel refuses: no channel, no descriptor, no memory. */
static void
test_the_kernel_refuses(void **state)
{
	struct worker_terms terms = good();
	struct worker_terms_fds fds = {-1, -1, -1};
	const void *blob = NULL;

	(void)state;
	terms.blob_bytes = 10;
	assert_int_equal(worker_terms_read_blob(-1, &terms, &fds, &blob), -EBADF);
	terms.blob_bytes = UINT64_C(1) << 62;
	assert_int_equal(worker_terms_read_blob(-1, &terms, &fds, &blob), -ENOMEM);
	terms.blob_bytes = 10;
	fds.blob_fd = open("/proc/self/exe", O_WRONLY | O_PATH | O_CLOEXEC); /* not to be mapped */
	assert_true(fds.blob_fd >= 0);
	assert_int_equal(worker_terms_read_blob(-1, &terms, &fds, &blob), -EBADF);
	assert_int_equal(fds.blob_fd, -1);
	fds.blob_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(worker_terms_read_blob(-1, &terms, &fds, &blob), -EBADF); /* the start */
	fds.blob_fd = 1000000;
	assert_int_equal(worker_terms_read_blob(-1, &terms, &fds, &blob), -EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_kernel_refuses),
	    cmocka_unit_test(test_check),
	    cmocka_unit_test(test_check_refuses),
	    cmocka_unit_test(test_check_refuses_each_limit),
	    cmocka_unit_test(test_receive),
	    cmocka_unit_test(test_map_code),
	    cmocka_unit_test(test_receive_refuses),
	    cmocka_unit_test(test_blob_by_datagram),
	    cmocka_unit_test(test_blob_by_file),
	    cmocka_unit_test(test_start_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
