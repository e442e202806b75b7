/*
 * How running jobs share the cores. The kernel would give each the same part: five jobs of one
 * tenant had five parts beside another's one, which would wait although its tenant has had nothing.
 * So each worker's control group gets a weight, as far as the machine has the cpu controller:
 *
 *   - a job's part is its tenant's weight by the number of its running jobs; it weighs as much
 *     less than LEAF_WEIGHT as its part is less than the greatest;
 *   - as long as a job with a greater part is young, by so much once more: a short job of who has
 *     little comes first, and who has much still gets on. So it is while one waits for its worker;
 *   - a worker that is being made weighs little, unless a job with the greatest part waits for it,
 *     or it is for a certain job (one with a scratch directory).
 *
 * With one tenant, or with the setting share_cores off, all weigh the same. CPU time, opcodes and
 * turns do not know of it; wall time does. Each weight that is written takes the locks of all cores
 * in the kernel: a full look is made at most every WEIGH_EVERY_MS while jobs start, and by the
 * house; small differences are left.
 */
#ifndef STINT_DAEMON_WEIGH_H
#define STINT_DAEMON_WEIGH_H

#include "daemon/leaf.h"

#define WEIGH_LEAST    2u  /* of a job */
#define WEIGH_STARTING 25u /* of a worker that is being made */
/* A job that has used less CPU time, and was started less long ago, is young. */
#define WEIGH_YOUNG_CPU_MS  50u
#define WEIGH_YOUNG_WALL_MS 1000u
#define WEIGH_EVERY_MS      5u

struct engine;
struct job;
struct worker;
struct pick_tenant;

/* The part of each job of a tenant that has `running` jobs running; 0: none. */
double weigh_part(const struct pick_tenant *tenant, uint64_t running);
/*
 * The weight, WEIGH_LEAST to LEAF_WEIGHT, of a job whose part is `part`, where the greatest is
 * `best` and that of young jobs `young` (0: there is none). 0 < part <= best, young <= best.
 */
unsigned weigh_of(double part, double best, double young);

/* The worker is about to get the job: its own weight, by what the last look saw. */
void weigh_job(struct engine *engine, struct worker *worker, const struct job *job);
/* Workers that are being made, by what the last look saw. */
void weigh_starting(struct engine *engine);
/* Jobs were started, or wait for workers: a look, unless there was one just now. */
void weigh_soon(struct engine *engine);
/* Look at all workers, and set the weights that are another. */
void weigh_run(struct engine *engine);

#endif
