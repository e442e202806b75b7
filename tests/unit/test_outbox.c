/*
 * outbox.c over a socketpair: order, coalescing, back-pressure, caps, gone peers and sessions.
 */
#include "cmocka_headers.h"
#include "daemon/outbox.h"

#include "protocol/base_sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNEL_MAX 1000000u
#define TOTAL_MAX   2000000u

struct fixture {
	uv_loop_t loop;
	struct outbox outbox;
	struct outbox_channel channels[3];
	int peers[3];
	unsigned turns[3];
};

static void
on_turn(struct outbox_channel *channel, void *context)
{
	(void)channel;
	unsigned *turns = context;
	(*turns)++;
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(outbox_init(&f->outbox, &f->loop, CHANNEL_MAX, TOTAL_MAX), 0);
	for (size_t i = 0; i < 3; i++) {
		int fds[2];
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
		f->peers[i] = fds[1];
		f->channels[i].session = i + 1;
		f->channels[i].fd = fds[0];
		f->channels[i].turn = on_turn;
		f->channels[i].context = &f->turns[i];
		outbox_channel_open(&f->outbox, &f->channels[i]);
	}
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < 3; i++) {
		int fd = f->channels[i].fd;
		outbox_channel_close(&f->outbox, &f->channels[i]);
		base_close(&fd);
		base_close(&f->peers[i]);
	}
	outbox_close(&f->outbox);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	outbox_deinit(&f->outbox);
	free(f);
	return 0;
}

static void
put(struct fixture *f, uint64_t session, const char *text)
{
	outbox_put(&f->outbox, session, strdup(text), strlen(text));
}

static void
put_filled(struct fixture *f, uint64_t session, size_t size, char with)
{
	char *line = malloc(size);
	assert_non_null(line);
	memset(line, with, size);
	outbox_put(&f->outbox, session, line, size);
}

static size_t
read_some(int fd, char *ret_bytes, size_t size)
{
	ssize_t got = recv(fd, ret_bytes, size, MSG_DONTWAIT);
	return got > 0 ? (size_t)got : 0;
}

static void
test_lines_of_a_turn_leave_in_order(void **state)
{
	struct fixture *f = *state;
	char wanted[40000] = "", got[sizeof(wanted)];
	for (unsigned i = 0; i < 1000; i++) {
		char line[32];
		(void)snprintf(line, sizeof(line), "line %u\n", i);
		strcat(wanted, line);
		put(f, 1, line);
	}
	put(f, 2, "other\n");
	put(f, 99, "nobody\n");
	assert_int_equal(read_some(f->peers[0], got, sizeof(got)), 0);
	assert_true(f->channels[0].chunks.count < 10);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	size_t size = read_some(f->peers[0], got, sizeof(got));
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(got, wanted, size);
	assert_int_equal(read_some(f->peers[1], got, sizeof(got)), 6);
	assert_int_equal(f->turns[0], 1);
	assert_int_equal(f->turns[1], 1);
	assert_int_equal(f->turns[2], 0);
	assert_int_equal(f->outbox.pending, 0);
}

static void
test_slow_reader_gets_everything(void **state)
{
	struct fixture *f = *state;
	put_filled(f, 1, 600000, 'a');
	put(f, 1, "b");
	put_filled(f, 1, 100000, 'c');
	size_t total = 0, a = 0, b = 0, c = 0;
	static char got[70000];
	for (unsigned i = 0; i < 1000 && total < 700001; i++) {
		outbox_channel_touch(&f->outbox, &f->channels[0]);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		size_t size = read_some(f->peers[0], got, sizeof(got));
		for (size_t k = 0; k < size; k++) {
			a += got[k] == 'a' && b == 0 && c == 0;
			b += got[k] == 'b' && c == 0;
			c += got[k] == 'c';
		}
		total += size;
	}
	assert_int_equal(a, 600000);
	assert_int_equal(b, 1);
	assert_int_equal(c, 100000);
	assert_int_equal(f->channels[0].pending, 0);
	assert_false(f->channels[0].overfull);
}

static void
test_full_channel_is_given_up(void **state)
{
	struct fixture *f = *state;
	put_filled(f, 1, CHANNEL_MAX / 2, 'a');
	put_filled(f, 1, CHANNEL_MAX / 2 + 1, 'b');
	put_filled(f, 1, CHANNEL_MAX / 2, 'c');
	assert_false(f->channels[0].overfull);
	put(f, 1, "x");
	assert_true(f->channels[0].overfull);
	assert_int_equal(f->outbox.pending, 0); /* not only when its connection is closed */
	put(f, 2, "fine");
	assert_false(f->channels[1].overfull);
}

/* Others are taken while one is read that is longer than all that may wait. */
static void
test_one_long_line_does_not_count(void **state)
{
	struct fixture *f = *state;
	outbox_resize(&f->outbox, 10000, 100 * CHANNEL_MAX);
	put_filled(f, 1, 5000, 'a');
	put_filled(f, 1, CHANNEL_MAX, 'b');
	put_filled(f, 1, 4999, 'c');
	put(f, 1, "still taken");
	assert_false(f->channels[0].overfull);
	put(f, 1, "one too many");
	assert_true(f->channels[0].overfull);
	put_filled(f, 2, CHANNEL_MAX, 'a');
	put_filled(f, 2, 9999, 'b');
	assert_false(f->channels[1].overfull);
}

static void
test_fullest_goes_when_all_are_too_much(void **state)
{
	struct fixture *f = *state;
	put_filled(f, 1, 600000, 'a');
	put_filled(f, 2, 900000, 'a');
	put_filled(f, 3, 400000, 'a');
	assert_false(f->channels[1].overfull);
	put_filled(f, 3, 200000, 'a');
	assert_false(f->channels[0].overfull);
	assert_true(f->channels[1].overfull);
	assert_false(f->channels[2].overfull);
	assert_int_equal(f->outbox.pending, 1200000);
	outbox_channel_close(&f->outbox, &f->channels[0]);
	assert_int_equal(f->outbox.pending, 600000);
	put(f, 1, "gone");
	assert_int_equal(f->outbox.pending, 600000);
}

/* One line can take the place of several clients, and one can be too long for all there is. */
static void
test_no_put_leaves_more_than_may_wait(void **state)
{
	struct fixture *f = *state;
	put_filled(f, 1, 900000, 'a');
	put_filled(f, 2, 800000, 'a');
	put_filled(f, 3, TOTAL_MAX, 'a');
	assert_true(f->channels[2].overfull);
	assert_false(f->channels[0].overfull);
	assert_int_equal(f->outbox.pending, 1700000);
	outbox_resize(&f->outbox, CHANNEL_MAX, 700000);
	put(f, 2, "less room from now on");
	assert_true(f->channels[0].overfull && f->channels[1].overfull);
	assert_int_equal(f->outbox.pending, 0);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(f->turns[i], 1);
}

/* Room for short lines to come is kept by the last chunk alone. */
static void
test_short_lines_take_their_bytes(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < 20; i++) {
		put(f, 1, "short");
		put_filled(f, 1, 20000, 'a');
	}
	put(f, 1, "short");
	size_t capacity = 0, last = 0;
	LIST_FOREACH (&f->channels[0].chunks, link) {
		last = list_item(link, struct outbox_chunk, link)->capacity;
		capacity += last;
	}
	assert_true(capacity - last <= f->channels[0].pending);
}

static void
touch_again(struct outbox_channel *channel, void *context)
{
	struct fixture *f = context;
	outbox_channel_touch(&f->outbox, channel);
}

/* The second has more than little and comes behind much: it waits for the next turn, in its place.
 */
static void
test_a_short_line_does_not_wait_for_long_ones(void **state)
{
	struct fixture *f = *state;
	static char got[600000];
	int room = 200000; /* the kernel doubles it */
	f->channels[0].turn = touch_again;
	f->channels[0].context = f;
	assert_int_equal(setsockopt(f->channels[0].fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)),
			 0);
	put_filled(f, 1, 500000, 'a');
	put_filled(f, 2, 50000, 'b');
	put(f, 3, "short");
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(read_some(f->peers[2], got, sizeof(got)), 5);
	assert_int_equal(read_some(f->peers[1], got, sizeof(got)), 0);
	assert_int_equal(f->turns[1], 0);
	size_t first = read_some(f->peers[0], got, sizeof(got));
	assert_true(first > 0 && first < 500000);
	/* Its place is before those that have something new, who was before it too. */
	put_filled(f, 1, 500000, 'a');
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(read_some(f->peers[1], got, sizeof(got)), 50000);
	assert_int_equal(f->turns[1], 1);
	assert_int_equal(f->turns[2], 1);
}

/* The socket takes all; so would one that is read meanwhile, and the loop would serve nobody else.
 */
static void
test_one_turn_writes_so_much_to_one(void **state)
{
	struct fixture *f = *state;
	static char got[400000];
	int room = 212992; /* as much as anybody may have; the kernel doubles it */
	assert_int_equal(setsockopt(f->channels[0].fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)),
			 0);
	put_filled(f, 1, 100000, 'a');
	put_filled(f, 1, 200000, 'b');
	for (size_t left = 300000; left > 0;) {
		size_t turn = left < 1 << 18 ? left : 1 << 18;
		outbox_channel_touch(&f->outbox, &f->channels[0]);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		assert_int_equal(read_some(f->peers[0], got, sizeof(got)), turn);
		left -= turn;
	}
	assert_int_equal(f->channels[0].pending, 0);
}

static void
test_little_can_be_written_at_once(void **state)
{
	struct fixture *f = *state;
	char got[100];
	put(f, 1, "short");
	put_filled(f, 2, 50000, 'b');
	base_close(&f->peers[2]);
	put(f, 3, "to nobody");
	outbox_write_little(&f->outbox);
	assert_int_equal(read_some(f->peers[0], got, sizeof(got)), 5);
	assert_int_equal(read_some(f->peers[1], got, sizeof(got)), 0);
	assert_int_equal(f->turns[0] + f->turns[1] + f->turns[2], 0);
	assert_true(f->channels[2].broken);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(read_some(f->peers[0], got, sizeof(got)), 0);
	assert_int_equal(f->turns[0] + f->turns[1] + f->turns[2], 3);
	assert_int_equal(f->channels[1].pending, 0);
}

/* It has its turn, in which it is known not to look for room; the loop may wait meanwhile. */
static void
test_who_has_much_is_held(void **state)
{
	struct fixture *f = *state;
	static char got[100000];
	outbox_hold(&f->outbox, true);
	put_filled(f, 1, 50000, 'a');
	put(f, 2, "short");
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(read_some(f->peers[1], got, sizeof(got)), 5);
	assert_int_equal(read_some(f->peers[0], got, sizeof(got)), 0);
	assert_true(f->channels[0].held);
	assert_int_equal(f->turns[0], 1);
	assert_false(uv_is_active((uv_handle_t *)&f->outbox.idle));
	put_filled(f, 1, 10000, 'b');
	outbox_hold(&f->outbox, false);
	assert_true(uv_is_active((uv_handle_t *)&f->outbox.idle));
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(read_some(f->peers[0], got, sizeof(got)), 60000);
	assert_false(f->channels[0].held);
	assert_int_equal(f->turns[0], 2);
}

/* Who waits for the next turn when the hold begins has no turn by itself, but as soon as something
 * is to be done: it is told that it is held, and does not look for room. */
static void
test_who_waits_when_it_begins(void **state)
{
	struct fixture *f = *state;
	list_append(&f->outbox.waiting, &f->channels[0].turn_link); /* as when much was written */
	put_filled(f, 1, 50000, 'a');
	assert_int_equal(f->outbox.changed.count, 0);
	outbox_hold(&f->outbox, true);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->turns[0], 0);
	for (unsigned i = 1; i <= 2; i++) {
		outbox_channel_touch(&f->outbox, &f->channels[0]); /* there is room, or a request */
		assert_true(uv_is_active((uv_handle_t *)&f->outbox.idle));
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		assert_true(f->channels[0].held);
		assert_int_equal(f->turns[0], i);
		assert_false(uv_is_active((uv_handle_t *)&f->outbox.idle));
	}
	assert_int_equal(f->channels[0].pending, 50000);
	outbox_hold(&f->outbox, false);
}

static void
test_between_two_holds_is_written(void **state)
{
	struct fixture *f = *state;
	outbox_hold(&f->outbox, true);
	put_filled(f, 1, 50000, 'a');
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->channels[0].pending, 50000);
	outbox_hold(&f->outbox, false);
	outbox_hold(&f->outbox, true);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->channels[0].pending, 0);
	put_filled(f, 1, 50000, 'b');
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->channels[0].pending, 50000);
	outbox_hold(&f->outbox, false);
}

/* What it keeps is bounded as ever, and it may go. */
static void
test_who_is_held_may_be_given_up_and_go(void **state)
{
	struct fixture *f = *state;
	outbox_hold(&f->outbox, true);
	for (size_t i = 0; i < 3; i++)
		put_filled(f, 1, CHANNEL_MAX / 2 + 1, 'a');
	put_filled(f, 2, 50000, 'a');
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	put(f, 1, "one too many");
	assert_true(f->channels[0].overfull);
	assert_int_equal(f->outbox.pending, 50000);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT); /* it is closed in its turn, not after the hold */
	assert_int_equal(f->turns[0], 2);
	outbox_channel_close(&f->outbox, &f->channels[1]);
	assert_int_equal(f->outbox.pending, 0);
	outbox_hold(&f->outbox, false);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->turns[0], 2);
	assert_int_equal(f->turns[1], 1);
}

static void
test_gone_peer_is_noticed(void **state)
{
	struct fixture *f = *state;
	base_close(&f->peers[0]);
	put(f, 1, "to nobody");
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_true(f->channels[0].broken);
	assert_int_equal(f->turns[0], 1);
	put(f, 1, "dropped");
	assert_int_equal(f->channels[0].pending, strlen("to nobody"));
}

static void
close_in_turn(struct outbox_channel *channel, void *context)
{
	struct fixture *f = context;
	(void)channel;
	for (size_t i = 0; i < 3; i++)
		outbox_channel_close(&f->outbox, &f->channels[i]);
}

static void
test_channels_may_close_in_a_turn(void **state)
{
	struct fixture *f = *state;
	int fds[3];
	for (size_t i = 0; i < 3; i++) {
		fds[i] = f->channels[i].fd;
		f->channels[i].turn = close_in_turn;
		f->channels[i].context = f;
		put(f, i + 1, "x");
	}
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->outbox.changed.count, 0);
	assert_int_equal(f->outbox.pending, 0);
	assert_int_equal(f->outbox.channels.count, 0);
	for (size_t i = 0; i < 3; i++)
		base_close(&fds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_lines_of_a_turn_leave_in_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_slow_reader_gets_everything, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_full_channel_is_given_up, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_one_long_line_does_not_count, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_fullest_goes_when_all_are_too_much, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(test_no_put_leaves_more_than_may_wait, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(test_short_lines_take_their_bytes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_short_line_does_not_wait_for_long_ones, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(test_one_turn_writes_so_much_to_one, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_little_can_be_written_at_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_who_has_much_is_held, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_who_waits_when_it_begins, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_between_two_holds_is_written, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_who_is_held_may_be_given_up_and_go, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(test_gone_peer_is_noticed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_channels_may_close_in_a_turn, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
