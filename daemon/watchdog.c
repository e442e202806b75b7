/*
 * The watchdog thread: a fixed array of slots, one mutex, one condition variable on
 * CLOCK_MONOTONIC. It sleeps until the earliest moment at which watchdog_look says a limit can be
 * reached, reads that worker's CPU clock and decides again. It never allocates, never logs, never
 * waits for the loop; a kill is written outside the mutex, since the kernel may take a while over
 * it. Before a kill page.stop gives the worker a moment to note where it was. A CPU reading counts
 * only when the pidfd says that the process still lived after it: the number may be somebody else's
 * by then. Called by dispatch, finish and the engine. Only creation can fail.
 */
#include "daemon/watchdog.h"

#include "daemon/page_read.h"
#include "protocol/base_assert.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "protocol/limits.h"
#include "protocol/message.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCHDOG_SLACK_NS 1000ul

enum slot_state { SLOT_FREE, SLOT_ARMED, SLOT_KILLING, SLOT_KILLED }; /* ARMED: also when asked */

struct watchdog_slot {
	enum slot_state state;
	struct watchdog_spec spec;
	struct watchdog_report report;
	uint64_t next_ns; /* of the next look */
	uint64_t killed_ns;
	/* When page.stop was set, and with what CPU time; report.reason says why. */
	uint64_t asked_ns, asked_cpu_ns;
	bool cancel;
	bool over; /* the last look found its budget of opcodes passed */
};

struct watchdog {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;   /* for the thread: something is due sooner than it thinks */
	pthread_cond_t killed; /* for the loop: a kill has been written */
	uint64_t sleeps_until_ns;
	bool stop;
	struct watchdog_slot slots[WORKERS_MAX];
};

bool
watchdog_cpu_ns(clockid_t clock, uint64_t *ret_ns)
{
	struct timespec time;
	if (clock == -1 || clock_gettime(clock, &time) < 0)
		return false;
	*ret_ns = (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
	return true;
}

void
watchdog_kill(int kill_fd, int zygote_fd, uint64_t serial)
{
	if (kill_fd >= 0 && pwrite(kill_fd, "1", 1, 0) == 1)
		return;
	if (zygote_fd < 0)
		return;
	struct message message;
	message_init(&message, MESSAGE_KILL);
	message.body.worker.serial = serial;
	(void)base_send_fds(zygote_fd, &message, sizeof(message), NULL, 0, MSG_DONTWAIT, NULL);
}

bool
watchdog_alive(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	return poll(&poll_fd, 1, 0) == 0;
}

/* Set page.stop. The verdict stands already: the worker may heed it or not. */
static void
watchdog_ask(struct watchdog_slot *slot)
{
	static const enum page_stop STOPS[] = {
	    [WATCHDOG_CPU] = PAGE_STOP_CPU,
	    [WATCHDOG_WALL] = PAGE_STOP_WALL,
	    [WATCHDOG_CANCEL] = PAGE_STOP_CANCEL,
	};

	slot->asked_ns = clock_now_ns(&CLOCK_SYSTEM);
	slot->asked_cpu_ns = slot->report.cpu_used_ns;
	page_write_stop(slot->spec.page_fd, STOPS[slot->report.reason]);
}

/* Measure one slot and decide. */
static struct watchdog_decision
watchdog_measure(struct watchdog_slot *slot)
{
	const struct watchdog_spec *spec = &slot->spec;
	uint64_t cpu_ns = 0;
	struct watchdog_facts facts = {
	    .started_ns = spec->started_ns,
	    .wall_limit_ns = spec->wall_limit_ns,
	    .cpu_limit_ns = spec->cpu_limit_ns,
	    .cancel = slot->cancel,
	    .metered = spec->opcodes > 0,
	    .parallel = spec->parallel,
	    .asked = slot->report.reason,
	    .asked_ns = slot->asked_ns,
	    .asked_cpu_ns = slot->asked_cpu_ns,
	};
	if (watchdog_cpu_ns(spec->cpu_clock, &cpu_ns) && watchdog_alive(spec->pidfd)) {
		facts.cpu_known = true;
		facts.cpu_used_ns = cpu_ns > spec->cpu_start_ns ? cpu_ns - spec->cpu_start_ns : 0;
		slot->report.cpu_used_ns = facts.cpu_used_ns;
	}
	/* At two looks: a worker that is about to stop itself may have passed it for a moment. */
	bool over = facts.metered && page_read_opcodes(spec->page_fd) > spec->opcodes;
	facts.over = over && slot->over;
	slot->over = over;
	facts.now_ns = clock_now_ns(&CLOCK_SYSTEM);
	slot->report.wall_used_ns =
	    facts.now_ns > spec->started_ns ? facts.now_ns - spec->started_ns : 0;
	return watchdog_look(&facts);
}

/* Look at one due slot; the mutex is held, but not while the kill is written. */
static void
watchdog_visit(struct watchdog *watchdog, struct watchdog_slot *slot)
{
	bool asked = slot->report.reason != WATCHDOG_NONE;
	struct watchdog_decision decision = watchdog_measure(slot);

	slot->next_ns = decision.next_ns;
	slot->report.reason = decision.reason;
	if (!decision.kill) {
		if (!asked && decision.reason != WATCHDOG_NONE)
			watchdog_ask(slot);
		return;
	}
	slot->state = SLOT_KILLING;
	int kill_fd = slot->spec.kill_fd, zygote_fd = slot->spec.zygote_fd;
	uint64_t serial = slot->spec.serial;
	pthread_mutex_unlock(&watchdog->mutex);
	watchdog_kill(kill_fd, zygote_fd, serial);
	pthread_mutex_lock(&watchdog->mutex);
	slot->killed_ns = clock_now_ns(&CLOCK_SYSTEM);
	slot->state = SLOT_KILLED;
	pthread_cond_broadcast(&watchdog->killed);
}

/* Visit what is due; returns the time of the earliest look to come. */
static uint64_t
watchdog_round(struct watchdog *watchdog)
{
	uint64_t earliest_ns = UINT64_MAX;
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct watchdog_slot *slot = &watchdog->slots[i];
		if (slot->state != SLOT_ARMED)
			continue;
		if (slot->next_ns <= clock_now_ns(&CLOCK_SYSTEM))
			watchdog_visit(watchdog, slot);
		if (slot->state == SLOT_ARMED && slot->next_ns < earliest_ns)
			earliest_ns = slot->next_ns;
	}
	return earliest_ns;
}

static void *
watchdog_main(void *argument)
{
	struct watchdog *watchdog = argument;
	(void)prctl(PR_SET_NAME, "watchdog");
	(void)prctl(PR_SET_TIMERSLACK, WATCHDOG_SLACK_NS);
	pthread_mutex_lock(&watchdog->mutex);
	while (!watchdog->stop) {
		uint64_t until_ns;
		/* A slot that is armed while a kill is written may have been passed already. */
		do {
			watchdog->sleeps_until_ns = UINT64_MAX;
			until_ns = watchdog_round(watchdog);
		} while (until_ns <= clock_now_ns(&CLOCK_SYSTEM));
		if (watchdog->sleeps_until_ns < until_ns)
			until_ns = watchdog->sleeps_until_ns;
		watchdog->sleeps_until_ns = until_ns;
		if (watchdog->stop)
			break;
		if (until_ns == UINT64_MAX) {
			pthread_cond_wait(&watchdog->wake, &watchdog->mutex);
			continue;
		}
		struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
					 .tv_nsec = (long)(until_ns % NS_PER_S)};
		(void)pthread_cond_timedwait(&watchdog->wake, &watchdog->mutex, &until);
	}
	pthread_mutex_unlock(&watchdog->mutex);
	return NULL;
}

static int
watchdog_start(struct watchdog *watchdog)
{
	sigset_t all, before;
	sigfillset(&all);
	/* Signals are the loop's. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&watchdog->thread, NULL, watchdog_main, watchdog);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

int
watchdog_new(struct watchdog **ret_watchdog, struct error *err)
{
	struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
	if (!watchdog)
		return error_errno(err, "memory for the watchdog");
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&watchdog->mutex, NULL);
	pthread_cond_init(&watchdog->wake, &attributes);
	pthread_cond_init(&watchdog->killed, &attributes);
	pthread_condattr_destroy(&attributes);
	watchdog->sleeps_until_ns = UINT64_MAX;
	errno = watchdog_start(watchdog);
	if (errno != 0) {
		int code = error_errno(err, "start the watchdog thread");
		free(watchdog);
		return code;
	}
	*ret_watchdog = watchdog;
	return 0;
}

void
watchdog_free(struct watchdog **watchdog)
{
	struct watchdog *gone = *watchdog;
	if (!gone)
		return;
	*watchdog = NULL;
	pthread_mutex_lock(&gone->mutex);
	gone->stop = true;
	pthread_cond_signal(&gone->wake);
	pthread_mutex_unlock(&gone->mutex);
	pthread_join(gone->thread, NULL);
	pthread_cond_destroy(&gone->wake);
	pthread_cond_destroy(&gone->killed);
	pthread_mutex_destroy(&gone->mutex);
	free(gone);
}

/* Make sure that the thread looks at `slot` at next_ns at the latest; the mutex is held. */
static void
watchdog_schedule(struct watchdog *watchdog, struct watchdog_slot *slot, uint64_t next_ns)
{
	slot->next_ns = next_ns;
	if (next_ns >= watchdog->sleeps_until_ns)
		return;
	watchdog->sleeps_until_ns = next_ns;
	pthread_cond_signal(&watchdog->wake);
}

void
watchdog_arm(struct watchdog *watchdog, unsigned slot_number, const struct watchdog_spec *spec)
{
	require(slot_number < WORKERS_MAX);
	struct watchdog_slot *slot = &watchdog->slots[slot_number];
	/* Nothing is used yet: the first look is when that would be different at the earliest. */
	struct watchdog_decision first = watchdog_look(&(struct watchdog_facts){
	    .now_ns = spec->started_ns,
	    .started_ns = spec->started_ns,
	    .wall_limit_ns = spec->wall_limit_ns,
	    .cpu_limit_ns = spec->cpu_limit_ns,
	    .cpu_known = true,
	    .metered = spec->opcodes > 0,
	    .parallel = spec->parallel,
	});
	pthread_mutex_lock(&watchdog->mutex);
	require(slot->state == SLOT_FREE);
	memset(slot, 0, sizeof(*slot));
	slot->spec = *spec;
	slot->state = SLOT_ARMED;
	watchdog_schedule(watchdog, slot,
			  first.reason == WATCHDOG_NONE ? first.next_ns : spec->started_ns);
	pthread_mutex_unlock(&watchdog->mutex);
}

void
watchdog_cancel(struct watchdog *watchdog, unsigned slot_number, uint64_t serial)
{
	require(slot_number < WORKERS_MAX);
	struct watchdog_slot *slot = &watchdog->slots[slot_number];
	pthread_mutex_lock(&watchdog->mutex);
	if (slot->state == SLOT_ARMED && slot->report.reason == WATCHDOG_NONE &&
	    slot->spec.serial == serial) {
		slot->cancel = true;
		watchdog_schedule(watchdog, slot, 0);
	}
	pthread_mutex_unlock(&watchdog->mutex);
}

bool
watchdog_disarm(struct watchdog *watchdog, unsigned slot_number, uint64_t serial,
		struct watchdog_report *ret_report)
{
	require(slot_number < WORKERS_MAX);
	struct watchdog_slot *slot = &watchdog->slots[slot_number];
	pthread_mutex_lock(&watchdog->mutex);
	bool armed = slot->state != SLOT_FREE && slot->spec.serial == serial;
	if (armed) {
		while (slot->state == SLOT_KILLING)
			pthread_cond_wait(&watchdog->killed, &watchdog->mutex);
		*ret_report = slot->report;
		slot->state = SLOT_FREE;
	}
	pthread_mutex_unlock(&watchdog->mutex);
	return armed;
}

uint64_t
watchdog_killed_ns(struct watchdog *watchdog, unsigned slot_number, uint64_t serial)
{
	require(slot_number < WORKERS_MAX);
	struct watchdog_slot *slot = &watchdog->slots[slot_number];
	pthread_mutex_lock(&watchdog->mutex);
	bool known = slot->state == SLOT_KILLED && slot->spec.serial == serial;
	uint64_t killed_ns = known ? slot->killed_ns : 0;
	pthread_mutex_unlock(&watchdog->mutex);
	return killed_ns;
}
