/*
 * What the engine takes out of a configuration, when it is made.
 */
#ifndef STINT_DAEMON_ENGINE_NUMBERS_H
#define STINT_DAEMON_ENGINE_NUMBERS_H

#include "daemon/recycle.h"
#include "protocol/config.h"

struct engine;

/* Make the parts that hold such numbers: pool, accounts, lists, queue, caps, room for results. */
void engine_numbers_init(struct engine *engine, const struct config *config);
/* With pin_cores: the cores that jobs get, and a warning when there are fewer than jobs. */
int engine_numbers_pin(struct engine *engine, struct error *err);
struct recycle_limits engine_recycle_limits(const struct config *config);

#endif
