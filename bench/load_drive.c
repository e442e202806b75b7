/*
 * The run of a plan, on one libuv loop and one thread.
 *
 * A closed loop sends the next request when an answer has come; it measures how fast the daemon
 * is, and goes easy on one that stalls. An open loop sends when a job is due, by a timer of
 * nanoseconds, and takes the time from then, not from when it came to send: a stall of the daemon
 * (or of this program; see `lag`) is in the latencies of all that were due in it.
 *
 * It judges no figures and prints nothing. What goes wrong before the first request is an error,
 * afterwards it is counted. Called by load_main.c.
 */
#define _GNU_SOURCE
#include "bench/load_drive.h"

#include "bench/load_link.h"
#include "bench/load_rate.h"
#include "bench/load_slots.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#define SENDS_PER_TURN 256 /* then answers are looked at */

struct run;

struct group {
	struct run *run;
	const struct load_tenant *tenant;
	struct load_figures *figures;
	struct load_link *links; /* owned, tenant->connections */
	unsigned links_started, next_link, in_flight;
	bool sending;
	struct load_random random;
	struct load_rate rate;
	int timer; /* open loop: fires when the next job is due */
	uv_poll_t poll;
};

struct run {
	const struct load_plan *plan;
	uv_loop_t loop;
	uv_timer_t end, give_up;
	struct load_slots slots;
	size_t group_count;
	struct group groups[LOAD_TENANTS_MAX];
	uint64_t start_ns, window_ns, end_ns; /* begin of sending, of the window, end of both */
	bool finished;
};

static void
finish(struct run *run)
{
	run->finished = true;
	uv_stop(&run->loop);
}

static void
finish_when_quiet(struct run *run)
{
	for (size_t i = 0; i < run->group_count; i++)
		if (run->groups[i].sending || run->groups[i].in_flight > 0)
			return;
	finish(run);
}

static void
stop_sending(struct group *group)
{
	group->sending = false;
	if (group->timer >= 0)
		(void)uv_poll_stop(&group->poll);
}

static void
send_one(struct group *group, struct load_link *link, uint64_t due_ns)
{
	struct run *run = group->run;
	size_t kind = load_pick(group->tenant->weights, run->plan->kinds.count, &group->random);
	uint64_t id = load_slots_take(&run->slots, link, due_ns, (uint32_t)kind), now;

	if (id == 0) {
		group->figures->left_out++;
		return;
	}
	group->in_flight++;
	group->figures->sent++;
	load_link_send(link, &run->plan->kinds.kinds[kind], id);
	now = uv_hrtime();
	if (due_ns >= run->window_ns) {
		group->figures->kinds[kind]->sent++;
		load_histogram_add(&group->figures->lag, now > due_ns ? now - due_ns : 0);
	}
	if (group->tenant->jobs_max > 0 && group->figures->sent == group->tenant->jobs_max)
		stop_sending(group);
}

/* ---- open loop --------------------------------------------------------------------------- */

static struct load_link *
next_link(struct group *group)
{
	for (unsigned i = 0; i < group->tenant->connections; i++) {
		struct load_link *link = &group->links[group->next_link];

		group->next_link = (group->next_link + 1) % group->tenant->connections;
		if (link->open)
			return link;
	}
	return NULL;
}

static void
arm(struct group *group)
{
	uint64_t due = group->run->start_ns + load_rate_due(&group->rate);
	struct itimerspec when = {
	    .it_value = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)}};

	if (timerfd_settime(group->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0) {
		perror("load: timerfd_settime");
		abort();
	}
}

static void
send_due(uv_poll_t *poll, int status, int events)
{
	struct group *group = poll->data;
	uint64_t fired;

	if (read(group->timer, &fired, sizeof(fired)) < 0 && errno != EAGAIN) {
		perror("load: read of a timer");
		abort();
	}
	for (int i = 0; i < SENDS_PER_TURN && group->sending; i++) {
		uint64_t due = group->run->start_ns + load_rate_due(&group->rate);
		struct load_link *link;

		if (due > uv_hrtime() || due >= group->run->end_ns)
			break;
		load_rate_advance(&group->rate, &group->random);
		link = group->in_flight < group->tenant->waiting_max ? next_link(group) : NULL;
		if (link != NULL)
			send_one(group, link, due);
		else
			group->figures->left_out++;
	}
	if (group->sending)
		arm(group);
	finish_when_quiet(group->run);
}

/* ---- answers ----------------------------------------------------------------------------- */

static void
count_result(struct group *group, const struct load_slot *slot, const struct load_answer *answer,
	     uint64_t now)
{
	const struct load_plan *plan = group->run->plan;
	struct load_figures *figures = group->figures;
	struct load_kind_figures *kind = figures->kinds[slot->kind];
	const char *expected = plan->kinds.kinds[slot->kind].status;
	const char *status = answer->word[0] ? answer->word : "answered";

	figures->results++;
	load_words_count(&figures->statuses, status);
	load_words_count(&kind->statuses, status);
	if (expected != NULL && strcmp(expected, status) != 0) {
		figures->unexpected++;
		kind->unexpected++;
	}
	if (slot->due_ns < group->run->window_ns)
		return;
	kind->results++;
	load_histogram_add(&kind->latency, now - slot->due_ns);
	load_histogram_add(&figures->latency, now - slot->due_ns);
	load_histogram_add(&figures->queued, answer->queue_us * NS_PER_US);
}

static void
count_answer(struct group *group, const struct load_slot *slot, const struct load_answer *answer)
{
	struct load_figures *figures = group->figures;
	uint64_t now = uv_hrtime();

	figures->answered++;
	if (answer->kind == LOAD_ANSWER_RESULT) {
		count_result(group, slot, answer, now);
	} else {
		figures->refused++;
		load_words_count(&figures->reasons, answer->word[0] ? answer->word : "no reason");
		if (slot->due_ns >= group->run->window_ns)
			load_histogram_add(&figures->refusals, now - slot->due_ns);
	}
	if (answer->kind == LOAD_ANSWER_RESULT && now >= group->run->window_ns &&
	    now <= group->run->end_ns) {
		figures->window_results++;
		figures->window_cpu_us += answer->cpu_us;
		figures->window_bytes += answer->bytes + 1;
		figures->first_ns = figures->first_ns ? figures->first_ns : now;
		figures->last_ns = now;
	}
}

static void
take_answer(struct load_link *link, const struct load_answer *answer)
{
	struct group *group = link->group;
	struct load_slots *slots = &group->run->slots;
	struct load_slot *slot;

	if (answer->kind == LOAD_ANSWER_NOTIFICATION)
		return;
	slot = load_slots_find(slots, answer->id);
	if (answer->kind == LOAD_ANSWER_UNREADABLE || slot == NULL || slot->owner != link) {
		/* One without an id says why the connection is about to be closed. */
		if (answer->kind == LOAD_ANSWER_ERROR && answer->id == 0)
			load_words_count(&group->figures->reasons, answer->word);
		else
			group->figures->unreadable++;
		return;
	}
	count_answer(group, slot, answer);
	load_slots_free(slots, slot);
	group->in_flight--;
	if (group->sending && group->tenant->rate <= 0 && uv_hrtime() < group->run->end_ns)
		send_one(group, link, uv_hrtime());
	finish_when_quiet(group->run);
}

static void
link_gone(struct load_link *link, const char *why)
{
	struct group *group = link->group;
	struct load_slots *slots = &group->run->slots;
	bool left = false;

	group->figures->lost++;
	load_words_count(&group->figures->reasons, why);
	for (size_t i = 0; i < slots->count; i++) {
		if (slots->slots[i].owner != link)
			continue;
		load_slots_free(slots, &slots->slots[i]);
		group->figures->missing++;
		group->in_flight--;
	}
	for (unsigned i = 0; i < group->tenant->connections; i++)
		left = left || group->links[i].open;
	if (!left)
		stop_sending(group);
	finish_when_quiet(group->run);
}

/* ---- begin and end ----------------------------------------------------------------------- */

static int
open_links(struct group *group, struct error *err)
{
	const struct load_tenant *tenant = group->tenant;
	int code = 0;

	group->links = calloc(tenant->connections, sizeof(*group->links));
	if (group->links == NULL)
		return error_errno(err, "connections");
	for (unsigned i = 0; code == 0 && i < tenant->connections; i++) {
		struct load_link *link = &group->links[i];
		long uid = tenant->uid < 0 ? -1 : tenant->uid + (long)(i % tenant->uids);

		link->group = group;
		link->answered = take_answer;
		link->gone = link_gone;
		code = load_link_open(link, &group->run->loop, group->run->plan->socket, uid, err);
	}
	return code < 0 ? error_wrap(err, "tenant %s", tenant->name) : 0;
}

static int
open_timer(struct group *group, struct error *err)
{
	group->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (group->timer < 0)
		return error_errno(err, "timerfd_create");
	group->poll.data = group;
	if (uv_poll_init(&group->run->loop, &group->poll, group->timer) < 0) {
		base_close(&group->timer);
		return error_set(err, ERROR_SYSTEM, "uv_poll_init failed");
	}
	return 0;
}

static void
timer_closed(uv_handle_t *handle)
{
	struct group *group = handle->data;

	base_close(&group->timer);
}

static void
stop_all(uv_timer_t *timer)
{
	struct run *run = timer->data;

	for (size_t i = 0; i < run->group_count; i++)
		stop_sending(&run->groups[i]);
	finish_when_quiet(run);
}

static void
give_up_waiting(uv_timer_t *timer)
{
	finish(timer->data);
}

static void
send_on_each(struct group *group)
{
	for (unsigned i = 0; i < group->tenant->connections && group->sending; i++)
		if (group->links[i].open)
			send_one(group, &group->links[i], uv_hrtime());
}

static void
begin(struct run *run)
{
	double seconds = run->plan->warm_up + run->plan->seconds;

	(void)uv_timer_start(&run->end, stop_all, (uint64_t)(seconds * 1e3) + 1, 0);
	(void)uv_timer_start(&run->give_up, give_up_waiting,
			     (uint64_t)((seconds + run->plan->drain) * 1e3) + 2, 0);
	run->start_ns = uv_hrtime();
	run->window_ns = run->start_ns + (uint64_t)(run->plan->warm_up * 1e9);
	run->end_ns = run->start_ns + (uint64_t)(seconds * 1e9);
	for (size_t i = 0; i < run->group_count; i++)
		run->groups[i].sending = true;
	for (size_t i = 0; i < run->group_count; i++) {
		struct group *group = &run->groups[i];

		if (group->timer >= 0) {
			load_rate_init(&group->rate, group->tenant->rate, group->tenant->poisson,
				       &group->random);
			arm(group);
			(void)uv_poll_start(&group->poll, UV_READABLE, send_due);
			continue;
		}
		for (unsigned n = 0; n < group->tenant->in_flight; n++)
			send_on_each(group);
	}
}

static int
prepare(struct run *run, struct load_outcome *outcome, struct error *err)
{
	struct rlimit files;
	int code = 0;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE,
				&files); /* else a connection will fail, and say so */
	}
	for (size_t i = 0; code == 0 && i < run->plan->tenant_count; i++) {
		struct group *group = &run->groups[i];

		group->run = run;
		group->tenant = &run->plan->tenants[i];
		group->figures = &outcome->figures[i];
		group->timer = -1;
		group->random.state = run->plan->seed + i * 7919;
		run->group_count = i + 1;
		code = load_figures_init(group->figures, group->tenant->weights, err);
		if (code == 0 && group->tenant->rate > 0)
			code = open_timer(group, err);
		if (code == 0)
			code = open_links(group, err);
	}
	return code;
}

static void
clean_up(struct run *run)
{
	for (size_t i = 0; i < run->group_count; i++) {
		struct group *group = &run->groups[i];

		for (unsigned l = 0; group->links != NULL && l < group->tenant->connections; l++)
			load_link_close(&group->links[l]);
		if (group->timer >= 0)
			uv_close((uv_handle_t *)&group->poll, timer_closed);
	}
	uv_close((uv_handle_t *)&run->end, NULL);
	uv_close((uv_handle_t *)&run->give_up, NULL);
	(void)uv_run(&run->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&run->loop);
	for (size_t i = 0; i < run->group_count; i++)
		free(run->groups[i].links);
	load_slots_deinit(&run->slots);
}

static void
sum_up(struct run *run, struct load_outcome *outcome)
{
	outcome->seconds = (double)(uv_hrtime() - run->start_ns) / 1e9;
	for (size_t i = 0; i < run->group_count; i++) {
		struct group *group = &run->groups[i];
		uint64_t until = run->end_ns;

		group->figures->missing += group->in_flight;
		/* One that was to send so and so many may have been done before. */
		if (group->tenant->jobs_max > 0 && group->in_flight == 0 &&
		    group->figures->sent == group->tenant->jobs_max && group->figures->last_ns > 0)
			until = group->figures->last_ns;
		outcome->window_seconds[i] = (double)(until - run->window_ns) / 1e9;
	}
}

int
load_drive_run(const struct load_plan *plan, struct load_outcome *ret_outcome, struct error *err)
{
	struct run *run = calloc(1, sizeof(*run));
	int code;

	memset(ret_outcome, 0, sizeof(*ret_outcome));
	if (run == NULL || uv_loop_init(&run->loop) < 0) {
		free(run);
		return error_set(err, ERROR_SYSTEM, "no event loop");
	}
	run->plan = plan;
	(void)uv_timer_init(&run->loop, &run->end);
	(void)uv_timer_init(&run->loop, &run->give_up);
	run->end.data = run->give_up.data = run;
	code = prepare(run, ret_outcome, err);
	if (code == 0) {
		begin(run);
		if (!run->finished)
			(void)uv_run(&run->loop, UV_RUN_DEFAULT);
		sum_up(run, ret_outcome);
	}
	clean_up(run);
	free(run);
	return code;
}

void
load_drive_deinit(struct load_outcome *outcome)
{
	for (size_t i = 0; i < LOAD_TENANTS_MAX; i++)
		load_figures_deinit(&outcome->figures[i]);
}

bool
load_drive_failed(const struct load_plan *plan, const struct load_outcome *outcome)
{
	for (size_t i = 0; i < plan->tenant_count; i++) {
		const struct load_figures *figures = &outcome->figures[i];

		if (figures->missing > 0 || figures->unreadable > 0 || figures->lost > 0)
			return true;
		if (figures->unexpected > 0 && !plan->any_status)
			return true;
	}
	return false;
}
