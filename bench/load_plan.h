/*
 * What is to be done: the command line of the load generator, checked.
 */
#ifndef STINT_BENCH_LOAD_PLAN_H
#define STINT_BENCH_LOAD_PLAN_H

#include "bench/load_kinds.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_TENANTS_MAX     64
#define LOAD_NAME_BYTES      32
#define LOAD_CONNECTIONS_MAX 20000
#define LOAD_WAITING_MAX     1000000

/* One group of clients with one kind of behaviour and one set of figures. */
struct load_tenant {
	char name[LOAD_NAME_BYTES];
	long uid;             /* of its first connection; -1: the caller's own */
	unsigned uids;        /* consecutive ones, its connections in turn */
	unsigned connections; /* 1 .. LOAD_CONNECTIONS_MAX */
	unsigned in_flight;   /* closed loop: requests of each connection */
	double rate;          /* open loop: jobs per second, all connections; 0: closed loop */
	bool poisson;         /* open loop: random intervals; else equal ones */
	unsigned waiting_max; /* open loop: without an answer; what is due above that is not sent */
	uint64_t jobs_max;    /* then it stops sending; 0: when the time is over */
	unsigned weights[LOAD_KINDS_MAX]; /* of each kind; some are not 0 */
};

struct load_plan {
	const char *socket, *json; /* borrowed; json may be NULL */
	double seconds, warm_up;   /* sending is counted for `seconds`, behind `warm_up` */
	double drain;              /* longest wait for answers afterwards */
	uint64_t seed;
	bool any_status; /* an unexpected status is no failure */
	struct load_kinds kinds;
	size_t tenant_count;
	struct load_tenant tenants[LOAD_TENANTS_MAX];
};

/* ERROR_INVALID names the word that is wrong. A failed plan needs no deinit. */
int load_plan_parse(int argc, char **argv, struct load_plan *ret_plan, struct error *err);
void load_plan_deinit(struct load_plan *plan);
/* One tenant's text, as in load_plan_usage(); appends it. */
int load_plan_add_tenant(struct load_plan *plan, const char *text, struct error *err);
const char *load_plan_usage(void);

#endif
