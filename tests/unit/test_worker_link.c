/* The worker channel: what a dead worker's end tells, on real sockets. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker_link.h"
#include "protocol/base_sys.h"

static int ours = -1, theirs = -1;

static int
setup(void **state)
{
	return worker_link_open(&ours, &theirs, NULL);
}

static int
teardown(void **state)
{
	base_close(&ours);
	base_close(&theirs);
	return 0;
}

static void
take(size_t size)
{
	char bytes[1024];
	assert_int_equal(recv(theirs, bytes, sizeof(bytes), 0), (ssize_t)size);
}

static void
send_job(void)
{
	struct worker_terms terms = {.magic = WORKER_TERMS_MAGIC, .blob_bytes = 3};
	assert_int_equal(worker_link_send(ours, &terms, NULL, 0, "abc", NULL), 0);
}

static void
test_silent_end(void **state)
{
	send_job();
	take(sizeof(struct worker_terms));
	take(3);
	base_close(&theirs);
	struct worker_rest rest = worker_link_rest(ours);
	assert_false(rest.spoke);
	assert_false(rest.unread);
}

static void
test_silent_and_open(void **state)
{
	struct worker_rest rest = worker_link_rest(ours);
	assert_false(rest.spoke);
	assert_false(rest.unread);
}

static void
test_job_not_taken(void **state)
{
	send_job();
	take(sizeof(struct worker_terms));
	base_close(&theirs);
	struct worker_rest rest = worker_link_rest(ours);
	assert_false(rest.spoke);
	assert_true(rest.unread);
}

/* A job by descriptor has a byte that starts it: who died before it has not run the job. */
static void
test_job_by_descriptor(void **state)
{
	struct worker_terms terms = {
	    .magic = WORKER_TERMS_MAGIC, .flags = TERMS_BLOB_FD, .blob_bytes = 1 << 20};
	for (int taken = 0; taken < 2; taken++) {
		int fd = dup(0);
		assert_int_equal(worker_link_send(ours, &terms, &fd, 1, NULL, NULL), 0);
		base_close(&fd);
		take(sizeof(struct worker_terms));
		if (taken)
			take(1);
		base_close(&theirs);
		struct worker_rest rest = worker_link_rest(ours);
		assert_false(rest.spoke);
		assert_int_equal(rest.unread, !taken);
		base_close(&ours);
		assert_int_equal(worker_link_open(&ours, &theirs, NULL), 0);
	}
}

static void
test_spoke(void **state)
{
	assert_int_equal(send(theirs, "x", 1, 0), 1);
	base_close(&theirs);
	assert_true(worker_link_rest(ours).spoke);
}

static void
test_spoke_an_empty_datagram(void **state)
{
	assert_int_equal(send(theirs, "", 0, 0), 0);
	base_close(&theirs);
	assert_true(worker_link_rest(ours).spoke);
}

static void
test_descriptors_are_not_installed(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(base_send_fds(theirs, "x", 1, &fd, 1, 0, NULL), 0);
	int lowest = dup(fd);
	close(lowest);
	assert_true(worker_link_rest(ours).spoke);
	int now = dup(fd);
	assert_int_equal(now, lowest); /* nothing came in between */
	close(now);
	close(fd);
}

static void
test_dead_worker_takes_no_job(void **state)
{
	struct worker_terms terms = {.magic = WORKER_TERMS_MAGIC, .blob_bytes = 3};
	base_close(&theirs);
	assert_true(worker_link_send(ours, &terms, NULL, 0, "abc", NULL) < 0);
}

static void
test_largest_inline_job_fits(void **state)
{
	static char blob[BLOB_INLINE_BYTES_MAX];
	struct worker_terms terms = {.magic = WORKER_TERMS_MAGIC, .blob_bytes = sizeof(blob)};
	assert_int_equal(worker_link_send(ours, &terms, NULL, 0, blob, NULL), 0);
}

/* The hello, through a loop. */
struct heard {
	int calls, code;
	pid_t pid;
};

static void
on_hello(void *context, uint64_t serial, int code, pid_t pid, const struct error *err)
{
	struct heard *heard = context;
	heard->calls++;
	heard->code = code;
	heard->pid = pid;
}

static struct heard
hear(const struct worker_hello *hello, size_t size)
{
	struct heard heard = {0, 0, 0};
	struct worker_watch *watch = NULL;
	uv_loop_t loop;
	assert_int_equal(uv_loop_init(&loop), 0);
	if (hello)
		assert_int_equal(send(theirs, hello, size, 0), (ssize_t)size);
	else
		base_close(&theirs);
	assert_int_equal(worker_link_watch(&loop, ours, 5, on_hello, &heard, &watch, NULL), 0);
	while (heard.calls == 0)
		(void)uv_run(&loop, UV_RUN_ONCE);
	worker_link_unwatch(&watch);
	assert_null(watch);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(heard.calls, 1);
	return heard;
}

static void
test_hello(void **state)
{
	struct worker_hello hello = {WORKER_HELLO_MAGIC, WORKER_ABI_VERSION, 5};
	struct heard heard = hear(&hello, sizeof(hello));
	assert_int_equal(heard.code, 0);
	assert_int_equal(heard.pid, getpid());
}

static void
test_hello_of_another(void **state)
{
	struct worker_hello hello = {WORKER_HELLO_MAGIC, WORKER_ABI_VERSION, 6};
	assert_int_equal(hear(&hello, sizeof(hello)).code, ERROR_INVALID);
}

static void
test_hello_of_another_build(void **state)
{
	struct worker_hello hello = {WORKER_HELLO_MAGIC, WORKER_ABI_VERSION + 1, 5};
	assert_int_equal(hear(&hello, sizeof(hello)).code, ERROR_INVALID);
}

static void
test_hello_cut(void **state)
{
	struct worker_hello hello = {WORKER_HELLO_MAGIC, WORKER_ABI_VERSION, 5};
	assert_int_equal(hear(&hello, sizeof(hello) - 1).code, ERROR_INVALID);
}

static void
test_no_hello(void **state)
{
	assert_int_equal(hear(NULL, 0).code, ERROR_CLOSED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_silent_end),
	    TEST(test_silent_and_open),
	    TEST(test_job_not_taken),
	    TEST(test_job_by_descriptor),
	    TEST(test_spoke),
	    TEST(test_spoke_an_empty_datagram),
	    TEST(test_descriptors_are_not_installed),
	    TEST(test_dead_worker_takes_no_job),
	    TEST(test_largest_inline_job_fits),
	    TEST(test_hello),
	    TEST(test_hello_of_another),
	    TEST(test_hello_of_another_build),
	    TEST(test_hello_cut),
	    TEST(test_no_hello),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
