/*
 * Which waiting job runs next: fair queueing of tenants by weight on what their jobs cost, inside a
 * tenant by priority, then deadline, then arrival. ARCHITECTURE.md, "How jobs are picked", has the
 * rules and why. Policy: knows no clock, no worker and nothing of a job but what stands here.
 *
 * Jobs and tenants embed the structures below and own them; pick owns only its heaps' memory. A job
 * is in one of enum pick_state, from pick_put to pick_leave or pick_settle.
 */
#ifndef STINT_DAEMON_PICK_H
#define STINT_DAEMON_PICK_H

#include "daemon/heap.h"
#include "protocol/base_list.h"

#include <stddef.h>
#include <stdint.h>

#define PICK_PRIORITY_MAX 10 /* PRIORITY_MAX of limits.h; and -10 is the least */
#define PICK_CLASSES      (2 * PICK_PRIORITY_MAX + 1)
/* A tenant's oldest waiting job is passed over by later ones at most so often in a row. */
#define PICK_PASSED_MAX 16u
/* What a tenant's job is expected to cost while none has ended. */
#define PICK_FIRST_US 10000u
/* Of those before a job at most so many are looked at to say its position. */
#define PICK_POSITION_LOOKS 1024u

enum pick_state {
	PICK_OUT,
	PICK_WAITING,
	PICK_CALLED, /* the place to run in is its own: it waits for its worker */
	PICK_STARTED
};

struct pick_tenant {
	uint64_t weight;
	size_t running_max;                 /* jobs called and started */
	struct list classes[PICK_CLASSES];  /* waiting ones without a deadline, by arrival */
	uint64_t class_last[PICK_CLASSES];  /* numbers given out in each */
	size_t class_waiting[PICK_CLASSES]; /* with and without a deadline */
	uint32_t filled;                    /* bit for each of the lists that is not empty */
	struct list dated;                  /* waiting ones with a deadline, by arrival */
	struct heap order;                  /* the same, by class, deadline, arrival */
	struct heap_node active;            /* in pick.active */
	uint64_t settled;     /* cost of its ended jobs, by weight: its virtual time */
	uint64_t outstanding; /* what its called and started jobs are expected to add */
	uint64_t started;     /* its started jobs, ... */
	uint64_t began_us;    /* ... and the sum of the times at which they were */
	uint64_t turn;        /* how often it came to have something to call */
	uint64_t arrivals;
	uint64_t mean_us; /* what its jobs cost lately; 0: not known */
	unsigned passed;  /* calls in a row that passed its oldest waiting job over */
	size_t waiting, running;
	uint64_t unpaused_ns; /* nobody is paused for its jobs before that: pause.h */
};

struct pick_job {
	struct link link;           /* waiting: in a list of its tenant; called: in pick.called */
	struct heap_node order;     /* in its tenant's */
	struct heap_node expiry;    /* in pick.expiries, until it has started */
	struct pick_tenant *tenant; /* borrowed; NULL: OUT */
	uint64_t arrival;           /* number in its tenant */
	uint64_t number;            /* in its class, of those without a deadline */
	uint64_t deadline_ns;       /* when it must have started; 0: none */
	uint64_t expected;          /* what it adds to its tenant's outstanding */
	uint64_t turn;              /* its tenant's, when it was called */
	uint64_t began_us;          /* when it was started */
	uint8_t class;
	uint8_t state; /* enum pick_state */
};

struct pick {
	struct heap active;   /* tenants of which a job may be called, by virtual time,
				 whether or not there is a place */
	struct heap expiries; /* jobs with a deadline that have not started */
	struct list called;   /* in the order of their calls */
	uint64_t time;        /* virtual: that of the last tenant whose turn it was */
	uint64_t time_last;   /* the furthest that a tenant has come */
	uint64_t entered;     /* numbers tenants, so that equal ones take turns */
	size_t waiting, running, running_max; /* running: called and started */
	/* Beyond running_max: for a tenant whose turn it is and that has nothing running. */
	size_t guests_max;
	unsigned cores;  /* that the places share */
	uint64_t now_us; /* from any zero; never goes back */
};

/* guests_max, cores and now_us are 0 until they are set: then a place costs nothing by itself. */
void pick_init(struct pick *ret_pick, size_t running_max);
/* No job may be in it. */
void pick_deinit(struct pick *pick);
void pick_tenant_init(struct pick_tenant *ret_tenant);
void pick_tenant_deinit(struct pick_tenant *tenant);
/* From now on. weight: 1 to 1000. running_max: 0 is none of its own. */
void pick_tenant_set(struct pick *pick, struct pick_tenant *tenant, uint64_t weight,
		     size_t running_max);

/* A new job waits. priority: -PICK_PRIORITY_MAX to PICK_PRIORITY_MAX, the higher the earlier. */
void pick_put(struct pick *pick, struct pick_tenant *tenant, struct pick_job *job, int priority,
	      uint64_t deadline_ns);
/* Call the next job to the end of `called`, and its tenant is charged what such a job costs; NULL:
 * none waits, or none may run. */
struct pick_job *pick_call(struct pick *pick);
/* A called job has its worker. */
void pick_start(struct pick *pick, struct pick_job *job);
/* A started job has lost its worker: it is called again, before all others. */
void pick_return(struct pick *pick, struct pick_job *job);
/* A job that has not started goes; it has cost nothing. */
void pick_leave(struct pick *pick, struct pick_job *job);
/* A started job has ended. cost_us: what it is charged in place of what was expected; at least its
 * part of the cores for as long as it ran. */
void pick_settle(struct pick *pick, struct pick_job *job, uint64_t cost_us);

/* A job that has not started by now_ns and should have, or NULL; it stays. */
struct pick_job *pick_expired(const struct pick *pick, uint64_t now_ns);
/* When the next one will be; 0: no job has a deadline. */
uint64_t pick_expires_ns(const struct pick *pick);
/* Its place among the jobs of its tenant that have not started, 1 is next; 0: it has. At most: of
 * those that were before it, some that have left meanwhile may be counted. */
uint64_t pick_position(const struct pick *pick, const struct pick_job *job);

#endif
