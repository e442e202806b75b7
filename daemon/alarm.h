/*
 * One timer of the loop, on the heap, whose memory outlives its owner until libuv has let go of it.
 */
#ifndef STINT_DAEMON_ALARM_H
#define STINT_DAEMON_ALARM_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct alarm;

/* `ring` is called once per alarm_set, from the loop. */
int alarm_new(uv_loop_t *loop, void (*ring)(void *context), void *context, struct alarm **ret_alarm,
	      struct error *err);
/* (Again) ring in delay_ms. */
void alarm_set(struct alarm *alarm, uint64_t delay_ms);
void alarm_stop(struct alarm *alarm);
bool alarm_is_set(const struct alarm *alarm);
void alarm_close(struct alarm **alarm);

#endif
