/*
 * How long stintd may give no sign of life (MESSAGE_DAEMON_ALIVE) while it serves, and how long it
 * may live without a link.
 */
#ifndef STINT_WORKER_SPAWNER_SILENCE_H
#define STINT_WORKER_SPAWNER_SILENCE_H

#include "worker/spawner.h"

#include <stdbool.h>
#include <stdint.h>

/* It gave one, or has just become ready. */
void spawner_silence_begin(struct spawner *spawner, uint64_t now_ns);
/* Whether daemon.silence_ns means something now. */
bool spawner_silence_is_counted(const struct spawner *spawner);
/* It has closed its link, and should end in a moment; all else is served meanwhile. */
void spawner_silence_leave(struct spawner *spawner, uint64_t now_ns);
/* Condemn a stintd that was silent for too long, or has not left in time. */
void spawner_silence_check(struct spawner *spawner, uint64_t now_ns);

#endif
