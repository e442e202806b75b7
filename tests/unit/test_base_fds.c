/*
 * Descriptor passing against a hostile sender: nothing that is refused leaves a descriptor behind.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "tests/unit/cmocka_headers.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

static int pair[2];

static int
setup(void **state)
{
	return base_socketpair(pair, NULL);
}

static int
teardown(void **state)
{
	base_close(&pair[0]);
	base_close(&pair[1]);
	return 0;
}

/* `count` copies of /dev/null sent without base_send_fds' own check. */
static void
send_raw(const void *bytes, size_t size, size_t count)
{
	char control[CMSG_SPACE(128 * sizeof(int))];
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	memset(control, 0, sizeof(control));
	if (count > 0) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(pair[0], &message, 0), (ssize_t)size);
	base_close(&fd);
}

static void
descriptors_arrive_close_on_exec(void **state)
{
	struct error err = ERROR_INIT;
	struct stat sent, received;
	int fds[2] = {-1, -1}, source = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int both[2] = {source, source};
	size_t size = 0, count = 0;
	char bytes[8] = "";

	assert_int_equal(base_send_fds(pair[0], "hello", 5, both, 2, 0, &err), 0);
	assert_int_equal(base_recv_fds(pair[1], bytes, sizeof(bytes), &size, fds, 2, &count, NULL,
				       MSG_DONTWAIT, &err),
			 0);
	assert_int_equal(size, 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_int_equal(count, 2);
	assert_int_equal(fstat(source, &sent), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstat(fds[i], &received), 0);
		assert_int_equal(received.st_rdev, sent.st_rdev);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		base_close(&fds[i]);
	}
	base_close(&source);
}

/* Receive with room for `size` bytes and one descriptor: it must fail so and leave nothing open. */
static void
assert_refused(size_t size, size_t fd_max)
{
	struct error err = ERROR_INIT;
	int fds[2] = {-7, -7}, before = open_descriptors();
	size_t got = 99, count = 99;
	char bytes[64];
	pid_t pid = 99;

	assert_int_equal(base_recv_fds(pair[1], bytes, size, &got, fds, fd_max, &count, &pid,
				       MSG_DONTWAIT, &err),
			 ERROR_INVALID);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(got, 99);
	assert_int_equal(count, 99);
	assert_int_equal(pid, 99);
	assert_int_equal(fds[0], -7);
}

static void
surplus_descriptors_are_closed(void **state)
{
	send_raw("x", 1, 2);
	assert_refused(8, 1);
	send_raw("x", 1, 1);
	assert_refused(8, 0);
	send_raw("x", 1, 60);
	assert_refused(8, 1);
	send_raw("x", 1, 120); /* more than the control buffer holds */
	assert_refused(8, 1);
}

static void
truncated_datagram_is_refused(void **state)
{
	send_raw("0123456789", 10, 1);
	assert_refused(9, 1);
	send_raw("0123456789", 10, 0);
	assert_refused(9, 1);
}

static void
empty_datagram_with_descriptors_is_refused(void **state)
{
	send_raw("", 0, 1);
	assert_refused(8, 1);
}

static void
credentials_name_the_sender(void **state)
{
	struct error err = ERROR_INIT;
	size_t size = 0, count = 9;
	char bytes[8];
	pid_t pid = -1;
	int on = 1;

	assert_int_equal(base_send_fds(pair[0], "x", 1, NULL, 0, 0, &err), 0);
	assert_int_equal(base_recv_fds(pair[1], bytes, 8, &size, NULL, 0, &count, &pid, 0, &err),
			 0);
	assert_int_equal(pid, 0);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	assert_int_equal(base_send_fds(pair[0], "x", 1, NULL, 0, 0, &err), 0);
	assert_int_equal(base_recv_fds(pair[1], bytes, 8, &size, NULL, 0, &count, &pid, 0, &err),
			 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(count, 0);
	send_raw("", 0, 0); /* told from an end of file by its credentials */
	assert_refused(8, 1);
}

static void
end_and_emptiness_have_their_codes(void **state)
{
	struct error err = ERROR_INIT;
	char bytes[8] = "";
	int r;

	assert_int_equal(
	    base_recv_fds(pair[1], bytes, 8, NULL, NULL, 0, NULL, NULL, MSG_DONTWAIT, &err),
	    ERROR_BUSY);
	do {
		r = base_send_fds(pair[0], bytes, 8, NULL, 0, MSG_DONTWAIT, &err);
	} while (r == 0);
	assert_int_equal(r, ERROR_BUSY);
	base_close(&pair[0]);
	do {
		r = base_recv_fds(pair[1], bytes, 8, NULL, NULL, 0, NULL, NULL, 0, &err);
	} while (r == 0);
	assert_int_equal(r, ERROR_CLOSED);
	assert_int_equal(base_send_fds(pair[1], "x", 1, NULL, 0, 0, &err), ERROR_CLOSED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(descriptors_arrive_close_on_exec),
	    TEST(surplus_descriptors_are_closed),
	    TEST(truncated_datagram_is_refused),
	    TEST(empty_datagram_with_descriptors_is_refused),
	    TEST(credentials_name_the_sender),
	    TEST(end_and_emptiness_have_their_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
