/*
 * The counter: what the charges in metered code take from, what happens when it runs out.
 *
 * The fast path is the tp_iternext slot of a charge constant: one subtraction and one compare. When
 * the grant is used up the slow path (which publishes nothing: the counter lies in the shared page)
 * looks at the stop flag, sleeps for a throttle, and decides whether the budget is spent: then it
 * calls the stop function, which does not return.
 */
#ifndef STINT_WORKER_METER_COUNT_H
#define STINT_WORKER_METER_COUNT_H

#include "protocol/worker_page.h"

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#define METER_BUDGET_NONE 0

struct meter_terms {
	struct page_meter *counter;    /* borrowed: where to count */
	const volatile uint32_t *stop; /* borrowed: not 0: end as soon as possible; may be NULL */
	uint64_t budget;               /* instructions, or METER_BUDGET_NONE */
	uint64_t per_second;           /* throttle, instructions a second; 0: none */
	/* Called at the stop with what was charged and let run, never above the budget; must end
	 * the process. asked: by the stop flag. */
	void (*stopped)(uint64_t count, bool asked);
};

/* Make the type and the common constants; before any code is metered. -1 with an exception. */
int meter_count_prepare(void);
/* Count from 0 under these terms. Until then everything is free. */
void meter_count_begin(const struct meter_terms *terms);
/* Charged so far. */
uint64_t meter_count_now(void);

/* New reference to the charge constant for `charge` (not 0). NULL with an exception. */
PyObject *meter_count_constant(uint32_t charge);
/* A static text that changes whenever the same program may count otherwise. */
const char *meter_count_version(void);
bool meter_count_is_constant(PyObject *object);

#endif
