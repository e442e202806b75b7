/*
 * Start-time fair queueing over tenants: each has a virtual time, which its jobs' cost moves on,
 * slower the higher its weight is; the tenant whose time is least is next. A call moves it by what
 * its jobs cost lately, the end of the job corrects that to what it did cost. Touches lists and
 * heaps that its callers own; called by queue.c. Every operation takes a time that does not depend
 * on how many jobs wait, but for the logarithms of a heap's. Cannot fail.
 */
#include "daemon/pick.h"

#include "protocol/base_assert.h"

#include <string.h>

#define PICK_SCALE        1000u        /* virtual time of 1 us at weight 1 */
#define PICK_COST_MAX_US  (1ull << 40) /* 12 days: far from an overflow in any sum */
#define PICK_MEAN_PARTS   8u           /* of the mean, one is the newest cost's */
#define PICK_CLASS_SHIFT  58u
#define PICK_DEADLINE_MAX ((1ull << PICK_CLASS_SHIFT) - 1) /* 9 years after the clock's zero */

void
pick_init(struct pick *ret_pick, size_t running_max)
{
	memset(ret_pick, 0, sizeof(*ret_pick));
	heap_init(&ret_pick->active);
	heap_init(&ret_pick->expiries);
	list_init(&ret_pick->called);
	ret_pick->running_max = running_max;
}

void
pick_deinit(struct pick *pick)
{
	require(pick->waiting == 0 && pick->running == 0);
	heap_deinit(&pick->active);
	heap_deinit(&pick->expiries);
}

void
pick_tenant_init(struct pick_tenant *ret_tenant)
{
	memset(ret_tenant, 0, sizeof(*ret_tenant));
	for (size_t i = 0; i < PICK_CLASSES; i++)
		list_init(&ret_tenant->classes[i]);
	list_init(&ret_tenant->dated);
	heap_init(&ret_tenant->order);
	ret_tenant->weight = 1;
}

void
pick_tenant_deinit(struct pick_tenant *tenant)
{
	require(tenant->waiting == 0 && tenant->running == 0);
	heap_deinit(&tenant->order);
}

static uint64_t
pick_cost(const struct pick_tenant *tenant, uint64_t cost_us)
{
	if (cost_us > PICK_COST_MAX_US)
		cost_us = PICK_COST_MAX_US;
	uint64_t cost = cost_us * PICK_SCALE / tenant->weight;
	return cost > 0 ? cost : 1;
}

/* What a place is worth that has been held for so long: its part of the cores. */
static uint64_t
pick_held_us(const struct pick *pick, uint64_t held_us)
{
	uint64_t parts = pick->cores < pick->running_max ? pick->cores : pick->running_max;
	if (held_us > PICK_COST_MAX_US)
		held_us = PICK_COST_MAX_US;
	return pick->running_max > 0 ? held_us * parts / pick->running_max : 0;
}

/* Its virtual time: jobs that run count with what is expected of them, or with what they had. */
static uint64_t
pick_tag(const struct pick *pick, const struct pick_tenant *tenant)
{
	uint64_t held_us = tenant->started * pick->now_us - tenant->began_us;
	uint64_t held = held_us > 0 ? pick_cost(tenant, pick_held_us(pick, held_us)) : 0;
	return tenant->settled + (held > tenant->outstanding ? held : tenant->outstanding);
}

static void
pick_raise(struct pick *pick, struct pick_tenant *tenant)
{
	uint64_t tag = pick_tag(pick, tenant);
	if (tag < pick->time)
		tenant->settled += pick->time - tag;
}

/* It stays among the active when all places are taken, by others or itself: it may be its turn. */
static bool
pick_may_call(const struct pick_tenant *tenant)
{
	return tenant->waiting > 0 &&
	       (tenant->running_max == 0 || tenant->running < tenant->running_max);
}

/*
 * Its place among the active, after a change. One that had nothing to call begins at the present:
 * the time in which it wanted nothing gives it no credit. What it owes stays.
 */
static void
pick_place(struct pick *pick, struct pick_tenant *tenant)
{
	bool was_active = tenant->active.place > 0;
	heap_remove(&pick->active, &tenant->active);
	if (pick_may_call(tenant)) {
		if (!was_active) {
			pick_raise(pick, tenant);
			tenant->turn++;
		}
		heap_put(&pick->active, &tenant->active, pick_tag(pick, tenant), ++pick->entered);
	}
	if (pick_tag(pick, tenant) > pick->time_last)
		pick->time_last = pick_tag(pick, tenant);
	/* Nobody wants anything: what anyone has had, nobody was kept from. */
	if (pick->waiting == 0 && pick->running == 0)
		pick->time = pick->time_last;
}

void
pick_tenant_set(struct pick *pick, struct pick_tenant *tenant, uint64_t weight, size_t running_max)
{
	require(weight >= 1);
	if (tenant->weight == weight && tenant->running_max == running_max)
		return;
	tenant->weight = weight;
	tenant->running_max = running_max;
	pick_place(pick, tenant);
}

/* Earlier classes, then earlier deadlines. */
static uint64_t
pick_order(const struct pick_job *job)
{
	uint64_t deadline =
	    job->deadline_ns < PICK_DEADLINE_MAX ? job->deadline_ns : PICK_DEADLINE_MAX;
	return (uint64_t)job->class << PICK_CLASS_SHIFT | deadline;
}

static void
pick_expect_expiry(struct pick *pick, struct pick_job *job)
{
	if (job->deadline_ns > 0)
		heap_put(&pick->expiries, &job->expiry, job->deadline_ns, 0);
}

void
pick_put(struct pick *pick, struct pick_tenant *tenant, struct pick_job *job, int priority,
	 uint64_t deadline_ns)
{
	require(job->state == PICK_OUT);
	require(priority >= -PICK_PRIORITY_MAX && priority <= PICK_PRIORITY_MAX);
	job->state = PICK_WAITING;
	job->tenant = tenant;
	job->class = (uint8_t)(PICK_PRIORITY_MAX - priority); /* 0 is the first */
	job->deadline_ns = deadline_ns;
	job->arrival = ++tenant->arrivals;
	if (deadline_ns > 0) {
		list_append(&tenant->dated, &job->link);
		heap_put(&tenant->order, &job->order, pick_order(job), job->arrival);
		pick_expect_expiry(pick, job);
	} else {
		job->number = ++tenant->class_last[job->class];
		list_append(&tenant->classes[job->class], &job->link);
		tenant->filled |= 1u << job->class;
	}
	tenant->class_waiting[job->class]++;
	tenant->waiting++;
	pick->waiting++;
	if (tenant->active.place == 0)
		pick_place(pick, tenant);
}

static struct pick_job *
pick_head(const struct list *list)
{
	struct link *first = list_first(list);
	return first ? list_item(first, struct pick_job, link) : NULL;
}

static struct pick_job *
pick_eldest(const struct pick_tenant *tenant)
{
	struct pick_job *eldest = pick_head(&tenant->dated);
	for (uint32_t left = tenant->filled; left != 0; left &= left - 1) {
		struct pick_job *head = pick_head(&tenant->classes[__builtin_ctz(left)]);
		if (!eldest || head->arrival < eldest->arrival)
			eldest = head;
	}
	return eldest;
}

static struct pick_job *
pick_best(const struct pick_tenant *tenant)
{
	struct heap_node *first = heap_first(&tenant->order);
	struct pick_job *dated = first ? heap_item(first, struct pick_job, order) : NULL;
	unsigned class =
	    tenant->filled != 0 ? (unsigned)__builtin_ctz(tenant->filled) : PICK_CLASSES;
	if (dated && dated->class <= class)
		return dated;
	return pick_head(&tenant->classes[class]);
}

/* By the order; but who would be passed over once too often goes first. */
static struct pick_job *
pick_choose(struct pick_tenant *tenant)
{
	struct pick_job *eldest = pick_eldest(tenant);
	struct pick_job *best = tenant->passed < PICK_PASSED_MAX ? pick_best(tenant) : eldest;
	tenant->passed = best == eldest ? 0 : tenant->passed + 1;
	return best;
}

/* Take a waiting job out of its tenant's lists. */
static void
pick_unlist(struct pick *pick, struct pick_job *job)
{
	struct pick_tenant *tenant = job->tenant;
	list_remove(&job->link);
	heap_remove(&tenant->order, &job->order);
	if (tenant->classes[job->class].count == 0)
		tenant->filled &= ~(1u << job->class);
	tenant->class_waiting[job->class]--;
	tenant->waiting--;
	pick->waiting--;
}

/*
 * Places are not taken away: one tenant's long jobs could hold them all. So the one whose turn it
 * is, and only that one, is let in beyond them when it has none. Who is ahead of the others by
 * weight is not first, and gains nothing by this.
 */
static bool
pick_has_place(const struct pick *pick, const struct pick_tenant *tenant)
{
	if (pick->running < pick->running_max)
		return true;
	return tenant->running == 0 && pick->running < pick->running_max + pick->guests_max;
}

/*
 * Whose turn it is, or NULL. A tenant's virtual time goes on while its jobs run: one that comes to
 * the top of the heap is brought up to now first, each at most once.
 */
static struct pick_tenant *
pick_first(struct pick *pick)
{
	for (;;) {
		struct heap_node *first = heap_first(&pick->active);
		if (!first)
			return NULL;
		struct pick_tenant *tenant = heap_item(first, struct pick_tenant, active);
		uint64_t tag = pick_tag(pick, tenant);
		if (tag <= pick->active.slots[0].major)
			return tenant;
		heap_remove(&pick->active, first);
		heap_put(&pick->active, first, tag, ++pick->entered);
	}
}

struct pick_job *
pick_call(struct pick *pick)
{
	if (pick->running >= pick->running_max + pick->guests_max)
		return NULL;
	struct pick_tenant *tenant = pick_first(pick);
	if (!tenant || !pick_has_place(pick, tenant))
		return NULL;
	struct pick_job *job = pick_choose(tenant);
	pick_unlist(pick, job);
	uint64_t tag = pick_tag(pick, tenant);
	if (tag > pick->time)
		pick->time = tag;
	job->state = PICK_CALLED;
	job->turn = tenant->turn;
	job->expected = pick_cost(tenant, tenant->mean_us > 0 ? tenant->mean_us : PICK_FIRST_US);
	tenant->outstanding += job->expected;
	tenant->running++;
	pick->running++;
	list_append(&pick->called, &job->link);
	pick_place(pick, tenant);
	return job;
}

void
pick_start(struct pick *pick, struct pick_job *job)
{
	require(job->state == PICK_CALLED);
	list_remove(&job->link);
	heap_remove(&pick->expiries, &job->expiry);
	job->state = PICK_STARTED;
	job->began_us = pick->now_us;
	job->tenant->started++;
	job->tenant->began_us += pick->now_us;
}

static void
pick_unstart(struct pick_job *job)
{
	job->tenant->started--;
	job->tenant->began_us -= job->began_us;
}

void
pick_return(struct pick *pick, struct pick_job *job)
{
	require(job->state == PICK_STARTED);
	pick_unstart(job);
	job->state = PICK_CALLED;
	list_prepend(&pick->called, &job->link);
	pick_expect_expiry(pick, job);
}

/*
 * A called or started job is done, and cost that much. A tenant that got back more than it paid
 * since it last came with nothing must not come before the present by that: it would be credit for
 * a time in which it wanted nothing.
 */
static void
pick_release(struct pick *pick, struct pick_job *job, uint64_t cost)
{
	struct pick_tenant *tenant = job->tenant;
	require(tenant->outstanding >= job->expected && tenant->running > 0);
	tenant->outstanding -= job->expected;
	tenant->settled += cost;
	tenant->running--;
	pick->running--;
	if (job->turn != tenant->turn)
		pick_raise(pick, tenant);
	job->state = PICK_OUT;
	job->tenant = NULL;
	pick_place(pick, tenant);
}

void
pick_leave(struct pick *pick, struct pick_job *job)
{
	struct pick_tenant *tenant = job->tenant;
	heap_remove(&pick->expiries, &job->expiry);
	if (job->state == PICK_CALLED) {
		list_remove(&job->link);
		pick_release(pick, job, 0);
		return;
	}
	require(job->state == PICK_WAITING);
	pick_unlist(pick, job);
	job->state = PICK_OUT;
	job->tenant = NULL;
	if (tenant->waiting == 0)
		pick_place(pick, tenant);
}

void
pick_settle(struct pick *pick, struct pick_job *job, uint64_t cost_us)
{
	struct pick_tenant *tenant = job->tenant;
	require(job->state == PICK_STARTED);
	uint64_t held_us = pick_held_us(pick, pick->now_us - job->began_us);
	uint64_t us = held_us > cost_us ? held_us : cost_us;
	us = us < PICK_COST_MAX_US ? us : PICK_COST_MAX_US;
	pick_unstart(job);
	uint64_t mean_us = tenant->mean_us > 0 ? tenant->mean_us : us;
	mean_us = ((PICK_MEAN_PARTS - 1) * mean_us + us) / PICK_MEAN_PARTS;
	tenant->mean_us = mean_us > 0 ? mean_us : 1;
	pick_release(pick, job, pick_cost(tenant, us));
}

struct pick_job *
pick_expired(const struct pick *pick, uint64_t now_ns)
{
	struct heap_node *first = heap_first(&pick->expiries);
	struct pick_job *job = first ? heap_item(first, struct pick_job, expiry) : NULL;
	return job && job->deadline_ns <= now_ns ? job : NULL;
}

uint64_t
pick_expires_ns(const struct pick *pick)
{
	struct heap_node *first = heap_first(&pick->expiries);
	return first ? heap_item(first, struct pick_job, expiry)->deadline_ns : 0;
}

/* Among those of its tenant that are called. */
static uint64_t
pick_position_called(const struct pick *pick, const struct pick_job *job)
{
	uint64_t position = 1;
	LIST_FOREACH (&pick->called, link) {
		if (link == &job->link)
			break;
		position += list_item(link, struct pick_job, link)->tenant == job->tenant;
	}
	return position;
}

uint64_t
pick_position(const struct pick *pick, const struct pick_job *job)
{
	const struct pick_tenant *tenant = job->tenant;
	uint64_t position = 0;
	if (job->state == PICK_CALLED)
		return pick_position_called(pick, job);
	if (job->state != PICK_WAITING)
		return 0;
	LIST_FOREACH (&pick->called, link)
		position += list_item(link, struct pick_job, link)->tenant == tenant;
	if (job->deadline_ns > 0) {
		/* Those without a deadline of earlier classes, and those with one before it. */
		for (unsigned i = 0; i < job->class; i++)
			position += tenant->classes[i].count;
		return position + heap_rank(&tenant->order, &job->order, PICK_POSITION_LOOKS);
	}
	for (unsigned i = 0; i <= job->class; i++)
		position += tenant->class_waiting[i];
	/* Now as if it were the last of its class: take off what came after it. */
	uint64_t plain = tenant->classes[job->class].count;
	uint64_t among = job->number - pick_head(&tenant->classes[job->class])->number + 1;
	return position - plain + (among < plain ? among : plain);
}
