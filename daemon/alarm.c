/*
 * A uv_timer in a shape that cannot be freed too early: closing detaches it from its owner at once,
 * and libuv's close callback frees it. Never repeats by itself. Called by whoever has to wait: the
 * generation, the pool, the sweep, the stream and the engine's housekeeping. Only creation can
 * fail.
 */
#include "daemon/alarm.h"

#include "protocol/base_assert.h"

#include <stdlib.h>

#define ALARM_MAGIC 0x414c524du

struct alarm {
	uint32_t magic;
	uv_timer_t timer;
	void (*ring)(void *context);
	void *context; /* borrowed from the owner */
};

static struct alarm *
alarm_of(void *data)
{
	struct alarm *alarm = data;
	require(alarm && alarm->magic == ALARM_MAGIC);
	return alarm;
}

static void
alarm_on_timer(uv_timer_t *timer)
{
	struct alarm *alarm = alarm_of(timer->data);
	alarm->ring(alarm->context);
}

static void
alarm_on_close(uv_handle_t *handle)
{
	struct alarm *alarm = alarm_of(handle->data);
	alarm->magic = 0;
	free(alarm);
}

int
alarm_new(uv_loop_t *loop, void (*ring)(void *context), void *context, struct alarm **ret_alarm,
	  struct error *err)
{
	struct alarm *alarm = calloc(1, sizeof(*alarm));
	if (!alarm)
		return error_errno(err, "memory for a timer");
	alarm->magic = ALARM_MAGIC;
	alarm->ring = ring;
	alarm->context = context;
	(void)uv_timer_init(loop, &alarm->timer); /* cannot fail */
	alarm->timer.data = alarm;
	*ret_alarm = alarm;
	return 0;
}

void
alarm_set(struct alarm *alarm, uint64_t delay_ms)
{
	/* The loop's idea of the time is of this turn's begin. */
	uv_update_time(alarm->timer.loop);
	(void)uv_timer_start(&alarm->timer, alarm_on_timer, delay_ms, 0);
}

void
alarm_stop(struct alarm *alarm)
{
	(void)uv_timer_stop(&alarm->timer);
}

bool
alarm_is_set(const struct alarm *alarm)
{
	return uv_is_active((const uv_handle_t *)&alarm->timer) != 0;
}

void
alarm_close(struct alarm **alarm)
{
	struct alarm *gone = *alarm;
	if (!gone)
		return;
	*alarm = NULL;
	uv_close((uv_handle_t *)&gone->timer, alarm_on_close);
}
