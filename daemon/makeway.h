/*
 * While a short job of who has little runs, who has much begins nothing new. A scheduler that is
 * fair by lag gives each process that comes a turn of its own, up to a tick of 4 ms, before what
 * has just run, however little it weighs (EEVDF: who has run is not eligible; nor is a group better
 * off). Beside a flood of short jobs a short job would wait for several of them. What runs already
 * is paused for a moment (pause.h), and weighs what weigh.h says.
 *
 * It begins before a job is handed over whose part (weigh_part) is greater than that of one that
 * runs, or will be when that tenant's next one does, and is over with that job (when
 * somebody is paused MAKEWAY_AFTER_MS later, so that its client, too, has its turn first), or after
 * MAKEWAY_MS in all; then as long a time must pass as it lasted: others are held for half of the
 * time at most. Held are jobs of other
 * tenants that have something running and would have a smaller part, and, when no other job waits
 * for one, the making of workers, both only as long as there are more workers at work than cores:
 * no core is idle for a job that sleeps. Held as well, for MAKEWAY_LARGE_MS at most, are the
 * reading of large results of jobs that have ended (result_room.h) and the writing to clients that
 * have much to get (engine_callbacks.makes_way), whosever they are: megabytes that no weight holds
 * back, and no core waits for. With one tenant, or with the setting share_cores off, nobody is
 * held.
 */
#ifndef STINT_DAEMON_MAKEWAY_H
#define STINT_DAEMON_MAKEWAY_H

#include <stdbool.h>
#include <stdint.h>

#define MAKEWAY_MS       20u
#define MAKEWAY_LARGE_MS 10u /* of large results */
#define MAKEWAY_AFTER_MS 1u

struct engine;
struct job;
struct worker;

/* That job, which is about to be handed over, is one that others would make way for. */
bool makeway_is_due(const struct engine *engine, const struct job *job);
/* The worker is about to get the job: others make way for it, if it is one of those. */
void makeway_begin(struct engine *engine, const struct job *job, const struct worker *worker);
/* The worker's job has ended, after that much CPU time. */
void makeway_end(struct engine *engine, const struct worker *worker, uint64_t cpu_us);
/* The worker did not get the job, which another may get now. */
void makeway_undo(struct engine *engine, const struct worker *worker);
/* The engine's alarm for that it lasted long enough; true: it is over. */
bool makeway_expire(struct engine *engine);
/* That job, which waits, is not to be handed over now. */
bool makeway_holds(const struct engine *engine, const struct job *job);
/* No worker is to be asked for now; `makeway_end` or `makeway_expire` will come. */
bool makeway_holds_starts(const struct engine *engine);
/* No large result is to be read now; one of the two will come, as above. */
bool makeway_holds_results(const struct engine *engine);

#endif
