/*
 * Which generation is started when. The first at once; a replacement when the front one has served
 * long enough (recycle.c), or after it was lost. A successor becomes the front as soon as its
 * zygote forks, and its predecessor goes on serving until the engine has workers of the new one and
 * retires it. A successor that fails leaves its predecessor in its place. Never touches a worker or
 * a job. Called by the engine; calls back on every change. What the spawner does against the order
 * ends stintd.
 */
#include "daemon/succession.h"

#include "daemon/alarm.h"
#include "daemon/backoff.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"

#include <stdlib.h>

struct succession {
	struct generation *front, *back; /* owned */
	struct spawner_link *spawner;    /* owned */
	struct alarm *alarm;             /* owned: the next start */
	struct alarm *pulse;             /* owned: the next sign of life */
	uint64_t pulse_ms;
	const struct clock *clock; /* borrowed */
	struct recycle_limits limits;
	enum isolation_level isolation;
	bool served; /* some generation has */
	uint64_t last_number;
	uint64_t jobs;     /* given to the front */
	uint64_t since_ns; /* the front serves */
	uint64_t start_ns; /* of the last start */
	unsigned failures; /* of starts in a row without a worker */
	struct succession_callbacks callbacks;
};

static bool
succession_serves(const struct generation *generation)
{
	return generation_state(generation) == GENERATION_SERVING;
}

/* Milliseconds until a start is due, or false: none is. */
static bool
succession_plan(const struct succession *succession, uint64_t *ret_delay_ms)
{
	uint64_t now_ns = clock_now_ns(succession->clock), wait_ns = 0, since_ms, pause_ms;
	enum generation_state front = generation_state(succession->front);
	enum generation_state back = generation_state(succession->back);

	if (front == GENERATION_SERVING && back == GENERATION_NONE) {
		wait_ns = recycle_due_ns(&succession->limits, succession->jobs,
					 succession->since_ns, now_ns);
		pause_ms = recycle_delay_ms(succession->failures);
	} else if (front == GENERATION_NONE &&
		   (back == GENERATION_NONE || back == GENERATION_RETIRING)) {
		pause_ms = backoff_delay_ms(succession->failures);
		if (pause_ms < RECYCLE_AGAIN_MS)
			pause_ms = RECYCLE_AGAIN_MS;
	} else {
		return false;
	}
	since_ms = (now_ns - succession->start_ns) / NS_PER_MS;
	if (succession->start_ns != 0 && since_ms < pause_ms &&
	    wait_ns < (pause_ms - since_ms) * NS_PER_MS)
		wait_ns = (pause_ms - since_ms) * NS_PER_MS;
	*ret_delay_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
	return true;
}

static void
succession_replan(struct succession *succession)
{
	uint64_t delay_ms;

	if (succession_plan(succession, &delay_ms))
		alarm_set(succession->alarm, delay_ms);
	else
		alarm_stop(succession->alarm);
}

static void
succession_on_alarm(void *context)
{
	struct succession *succession = context;
	uint64_t delay_ms;

	if (!succession_plan(succession, &delay_ms))
		return;
	if (delay_ms > 0) { /* the loop's clock is coarser */
		alarm_set(succession->alarm, delay_ms);
		return;
	}
	succession->start_ns = clock_now_ns(succession->clock);
	generation_start(succession_serves(succession->front) ? succession->back
							      : succession->front,
			 ++succession->last_number);
}

/* It comes from the loop itself: while that hangs, there is none. */
static void
succession_on_pulse(void *context)
{
	struct succession *succession = context;
	struct error err = ERROR_INIT;

	alarm_set(succession->pulse, succession->pulse_ms);
	if (spawner_link_daemon_alive(succession->spawner, &err) < 0)
		succession->callbacks.fatal(succession->callbacks.context, &err);
}

static void
succession_exchange(struct succession *succession)
{
	struct generation *front = succession->back;
	succession->back = succession->front;
	succession->front = front;
}

static void
succession_on_serving(void *context, struct generation *generation)
{
	struct succession *succession = context;
	if (generation == succession->back)
		succession_exchange(succession);
	succession->jobs = 0;
	succession->since_ns = clock_now_ns(succession->clock);
	succession->callbacks.front(succession->callbacks.context, generation);
	succession_replan(succession);
}

static void
succession_on_lost(void *context, struct generation *generation, const char *why)
{
	struct succession *succession = context;
	succession->callbacks.lost(succession->callbacks.context, generation, why);
	if (generation != succession->front || !succession_serves(succession->back))
		return;
	/* It had not taken over yet. It is the back now, and its predecessor is due at once. */
	succession_exchange(succession);
	succession->jobs = succession->limits.jobs_max;
	succession->callbacks.front(succession->callbacks.context, succession->front);
}

static void
succession_on_forked(void *context, struct generation *generation,
		     const struct message_forked *about, int pidfd)
{
	struct succession *succession = context;
	succession->callbacks.forked(succession->callbacks.context, generation, about, pidfd);
}

static void
succession_on_exited(void *context, struct generation *generation,
		     const struct message_exited *about)
{
	struct succession *succession = context;
	succession->callbacks.exited(succession->callbacks.context, generation, about);
}

static void
succession_on_stopped(void *context, struct generation *generation,
		      const struct message_exited *about)
{
	struct succession *succession = context;
	succession->callbacks.stopped(succession->callbacks.context, generation, about);
}

/* As if it had served long enough; its jobs end in peace. */
static void
succession_on_tainted(void *context, struct generation *generation)
{
	struct succession *succession = context;
	if (generation != succession->front)
		return; /* on its way out already */
	succession->jobs = succession->limits.jobs_max;
	succession_replan(succession);
}

static void
succession_on_over(void *context, struct generation *generation)
{
	struct succession *succession = context;
	if (!generation_is_orderly(generation)) {
		succession->failures++;
		if (succession->failures == 1 && succession_serves(succession->front))
			log_warning("generation", "generation %llu serves on until it is replaced",
				    (unsigned long long)generation_number(succession->front));
	}
	succession_replan(succession);
}

static void
succession_on_fatal(void *context, const struct error *err)
{
	struct succession *succession = context;
	alarm_stop(succession->alarm);
	succession->callbacks.fatal(succession->callbacks.context, err);
}

/* The generation that the spawner speaks of, or NULL: then it was told that this is the end. */
static struct generation *
succession_meant(struct succession *succession, uint64_t number, bool starting)
{
	struct generation *both[] = {succession->front, succession->back};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < 2; i++) {
		enum generation_state state = generation_state(both[i]);
		if (generation_number(both[i]) == number && number != 0 &&
		    (starting ? state == GENERATION_STARTING : state != GENERATION_NONE))
			return both[i];
	}
	(void)error_set(&err, ERROR_INVALID, "the spawner %s generation %llu unasked",
			starting ? "started" : "ended", (unsigned long long)number);
	succession_on_fatal(succession, &err);
	return NULL;
}

static void
succession_on_started(void *context, const struct message_generation *about, int *fds)
{
	struct generation *generation = succession_meant(context, about->number, true);
	if (generation)
		generation_started(generation, about, fds);
}

static void
succession_on_ended(void *context, const struct message_generation *about)
{
	struct generation *generation = succession_meant(context, about->number, false);
	if (generation)
		generation_ended(generation, about);
}

static void
succession_on_drain(void *context)
{
	struct succession *succession = context;
	succession->callbacks.drain(succession->callbacks.context);
}

static int
succession_on_config(void *context, int fd, struct error *err)
{
	struct succession *succession = context;
	return succession->callbacks.config(succession->callbacks.context, fd, err);
}

static void
succession_on_closed(void *context, const struct error *err)
{
	struct error wrapped = *err;
	(void)error_wrap(&wrapped, "spawner link");
	succession_on_fatal(context, &wrapped);
}

static int
succession_make(struct succession *succession, uv_loop_t *loop, struct error *err)
{
	struct generation_callbacks callbacks = {
	    succession_on_serving, succession_on_lost,    succession_on_forked,
	    succession_on_exited,  succession_on_stopped, succession_on_tainted,
	    succession_on_over,    succession_on_fatal,   succession};
	int code = generation_new(loop, succession->spawner, succession->isolation,
				  &succession->served, &callbacks, &succession->front, err);
	if (code == 0)
		code = generation_new(loop, succession->spawner, succession->isolation,
				      &succession->served, &callbacks, &succession->back, err);
	if (code == 0)
		code = alarm_new(loop, succession_on_alarm, succession, &succession->alarm, err);
	if (code == 0)
		code = alarm_new(loop, succession_on_pulse, succession, &succession->pulse, err);
	return code;
}

int
succession_new(uv_loop_t *loop, int spawner_fd, const struct clock *clock,
	       const struct recycle_limits *limits, enum isolation_level isolation,
	       const struct succession_callbacks *callbacks, struct succession **ret_succession,
	       struct error *err)
{
	struct spawner_link_callbacks inner = {succession_on_started, succession_on_ended,
					       succession_on_drain, succession_on_config,
					       succession_on_closed, NULL};
	struct succession *succession = calloc(1, sizeof(*succession));
	require(succession);
	succession->clock = clock;
	succession->limits = *limits;
	succession->isolation = isolation;
	succession->callbacks = *callbacks;
	inner.context = succession;
	int code = spawner_link_new(loop, spawner_fd, &inner, &succession->spawner, err);
	if (code == 0)
		code = succession_make(succession, loop, err);
	if (code < 0) {
		succession_free(&succession);
		return code;
	}
	alarm_set(succession->alarm, 0);
	*ret_succession = succession;
	return 0;
}

void
succession_free(struct succession **succession)
{
	struct succession *gone = *succession;
	if (!gone)
		return;
	*succession = NULL;
	generation_free(&gone->front);
	generation_free(&gone->back);
	spawner_link_close(&gone->spawner);
	alarm_close(&gone->alarm);
	alarm_close(&gone->pulse);
	free(gone);
}

void
succession_set_limits(struct succession *succession, const struct recycle_limits *limits)
{
	succession->limits = *limits;
	succession_replan(succession);
}

struct generation *
succession_front(const struct succession *succession)
{
	return succession->front;
}

struct generation *
succession_find(const struct succession *succession, uint64_t number)
{
	struct generation *both[] = {succession->front, succession->back};

	for (size_t i = 0; i < 2; i++) {
		if (generation_number(both[i]) == number && generation_is_live(both[i]))
			return both[i];
	}
	return NULL;
}

struct generation *
succession_former(const struct succession *succession)
{
	return generation_is_live(succession->back) ? succession->back : NULL;
}

void
succession_count_job(struct succession *succession, uint64_t number)
{
	if (generation_number(succession->front) != number)
		return;
	succession->jobs++;
	if (succession->jobs >=
	    succession->limits.jobs_max - succession->limits.jobs_max / RECYCLE_LEAD_SHARE)
		succession_replan(succession);
}

void
succession_prove(struct succession *succession, uint64_t number)
{
	struct generation *generation = succession_find(succession, number);
	if (!generation || generation_is_proved(generation))
		return;
	generation_prove(generation);
	succession->failures = 0;
}

void
succession_doubt(struct succession *succession, uint64_t number)
{
	struct generation *front = succession->front;
	if (generation_number(front) == number && succession_serves(front) &&
	    !generation_is_proved(front) && succession_serves(succession->back))
		generation_abandon(front, "none of its workers starts");
}

int
succession_ask_drain(struct succession *succession, struct error *err)
{
	return spawner_link_daemon_drain(succession->spawner, err);
}

int
succession_announce(struct succession *succession, uint64_t pulse_ms, struct error *err)
{
	int code = spawner_link_daemon_ready(succession->spawner, err);
	if (code < 0)
		return code;
	succession->pulse_ms = pulse_ms;
	alarm_set(succession->pulse, pulse_ms);
	return 0;
}
