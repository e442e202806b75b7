/*
 * How running jobs share the cores. The kernel would give each the same part: five jobs of one
 * tenant had five parts beside another's one, which would wait although its tenant has had nothing.
 * So each worker's control group gets a weight, as far as the machine has the cpu controller:
 *
 *   - a job's part is its tenant's weight by the number of its running jobs; it weighs as much
 *     less than LEAF_WEIGHT as its part is less than the greatest;
 *   - as long as a job with a greater part is young, by so much once more: a short job of who has
 *     little comes first, and who has much still gets on;
 *   - a worker that is being made weighs little, unless its job waits for it (one with a scratch
 *     directory), or a job waits, no worker is ready and no young job runs.
 *
 * Weights are set when a job or a worker is started and by the house. With one tenant, or with the
 * setting share_cores off, all weigh the same. CPU time, opcodes and turns do not know of it.
 */
#ifndef STINT_DAEMON_WEIGH_H
#define STINT_DAEMON_WEIGH_H

#include "daemon/leaf.h"

#include <stdbool.h>

#define WEIGH_LEAST    2u  /* of a job */
#define WEIGH_STARTING 25u /* of a worker that is being made */
/* A job that has used less CPU time is young. */
#define WEIGH_YOUNG_MS 50u

struct engine;

/*
 * The weight, WEIGH_LEAST to LEAF_WEIGHT, of a job whose part is `part`, where the greatest is
 * `best` and that of young jobs `young` (0: there is none). 0 < part <= best, young <= best.
 */
unsigned weigh_of(double part, double best, double young);

/* Look at all workers, and set the weights that are another. */
void weigh_run(struct engine *engine);

#endif
