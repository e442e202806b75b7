/*
 * Whether a generation is confined as the setting `isolation` asks.
 */
#ifndef STINT_DAEMON_LAYERS_H
#define STINT_DAEMON_LAYERS_H

#include "protocol/error.h"
#include "protocol/isolation.h"

/*
 * layers: what was found, bits of enum isolation_layer. ERROR_UNSUPPORTED when the level needs
 * more; each layer that lacks has then been logged, with its remedy. What is absent and not needed
 * is logged too, as a warning: a weaker service says so.
 */
int layers_check(enum isolation_level level, uint64_t layers, struct error *err);

#endif
