/*
 * While a short job of who has little runs, running jobs of who has much stand still
 * (cgroup.freeze), for PAUSE_MS (and a turn of the loop) at most, and until what it answers has
 * been written. However little they weigh: a scheduler that is fair by lag looks anew at each tick
 * only, and whoever of those that serve the short job (stintd, the zygote, its worker) has just
 * run, or was displaced by one of the kernel's threads, would wait for up to 4 ms beside each job
 * that computes.
 *
 * As many go on as there are cores but PAUSE_CORES_FREE, those that began first. Where more than
 * PAUSE_JOBS_MAX would have to stand still (two places for each core: from 15 cores on) nobody is
 * paused: each costs stintd two writes (5 and 6 us, Linux 6.18). For a sixth of the time at most
 * anybody is paused, however many short jobs come: a job that computes gets on, and a core that
 * nobody has a use for meanwhile is idle for no more than that. For the tenant of a job that was
 * not short, or slept, nobody is paused for PAUSE_AGAIN_MS: it would cost others time, and itself
 * nothing. CPU time and opcodes do not know of pauses, wall time does. A paused job can be killed:
 * limits and cancelling are as ever; one whose wall time is over in less than PAUSE_WALL_MS goes
 * on, so that it can say where it was.
 */
#ifndef STINT_DAEMON_PAUSE_H
#define STINT_DAEMON_PAUSE_H

#include <stdint.h>

#define PAUSE_MS         5u
#define PAUSE_CORES_FREE 2u /* for the short job, and for who serves it */
#define PAUSE_JOBS_MAX   16u
#define PAUSE_WALL_MS    15u
#define PAUSE_AGAIN_MS   100u
/* A job that lasted longer and had less than a quarter of that in CPU time has slept. */
#define PAUSE_SLEPT_MS   2u
#define PAUSE_FREE_TIMES 5u /* so much longer than it lasted nobody is paused afterwards */

struct engine;
struct pick_tenant;

/* Running jobs of other tenants whose part (weigh.h) is less, unless it is too soon. */
void pause_begin(struct engine *engine, const struct pick_tenant *tenant, double part);
/*
 * Somebody may be paused for the tenant's job, which has had that much CPU time by now; UINT64_MAX:
 * it goes on. If the pause was of no use, there is none for that tenant for a while.
 */
void pause_judge(struct engine *engine, struct pick_tenant *tenant, uint64_t cpu_us);
/*
 * All go on. Without a pause nothing is done. A group that the kernel does not let go on is tried
 * again with the next call, which house.c makes in any case.
 */
void pause_end(struct engine *engine);

#endif
