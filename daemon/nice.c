/*
 * Nice values of running jobs: each looked at when a job was started, and by the house at times.
 * A job's tenant is what the queue knows of it. Allocates nothing; a message that the zygote's link
 * does not take is sent again the next time. Called by dispatch.c and house.c.
 */
#include "daemon/nice.h"

#include "daemon/engine_state.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "protocol/message.h"

#include <sys/socket.h>

#define NICE_STEP 1.25 /* between the kernel's weights of two neighbours */

unsigned
nice_of(double part, double best, unsigned max)
{
	unsigned nice = 0;

	/* To the nearest step: half of one is the root of it. */
	for (double times = best / part; nice < max && times * times >= NICE_STEP;
	     times /= NICE_STEP)
		nice++;
	return nice;
}

/* 0: its job has ended. */
static double
nice_part(const struct worker *worker)
{
	const struct pick_tenant *tenant = worker->job ? worker->job->turn.tenant : NULL;

	return tenant && tenant->started > 0 ? (double)tenant->weight / (double)tenant->started : 0;
}

static bool
nice_has_used(const struct worker *worker, uint64_t least_ns)
{
	uint64_t cpu_ns;

	return watchdog_cpu_ns(worker->cpu_clock, &cpu_ns) && cpu_ns > worker->cpu_start_ns &&
	       cpu_ns - worker->cpu_start_ns >= least_ns;
}

static void
nice_ask(const struct engine *engine, struct worker *worker, unsigned nice)
{
	struct message message;

	message_init(&message, MESSAGE_NICE);
	message.body.worker.serial = worker->serial;
	message.body.worker.nice = nice;
	if (base_send_fds(engine_zygote_fd(engine, worker), &message, sizeof(message), NULL, 0,
			  MSG_DONTWAIT, NULL) == 0)
		worker->nice = nice;
}

void
nice_run(struct engine *engine)
{
	unsigned max = (unsigned)config_number(engine->config, nice_max);
	uint64_t least_ns = config_number(engine->config, nice_after) * NS_PER_MS;
	const struct list *busy = &engine->pool.workers[WORKER_BUSY];
	double best = 0;

	LIST_FOREACH (busy, link) {
		double part = nice_part(list_item(link, struct worker, link));

		best = part > best ? part : best;
	}
	LIST_FOREACH (busy, link) {
		struct worker *worker = list_item(link, struct worker, link);
		double part = nice_part(worker);
		unsigned nice = part > 0 ? nice_of(part, best, max) : 0;

		if (nice > worker->nice && nice_has_used(worker, least_ns))
			nice_ask(engine, worker, nice);
	}
}
