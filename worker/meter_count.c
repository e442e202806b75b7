/*
 * The counter and the constants that charge it: see the header.
 *
 * A charge constant is an object whose truth value has the effect of paying its charge. A script can
 * get hold of one through co_consts: calling bool() on it charges the script. A refund (a negative
 * charge) is given only where the interpreter is at that very site of registered code; elsewhere it
 * does nothing. With prepayment the grant can run out while the true count is below the budget: the
 * slow path subtracts what all live frames have prepaid, and goes on while the next block fits.
 *
 * State is static because nb_bool has no other way to it; the GIL serialises all access.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_pystate.h>

#include "worker/meter_count.h"
#include "worker/meter_rewrite.h"

#include <time.h>

#define COUNT_SLICE	   65536 /* instructions between two looks at the stop flag */
#define COUNT_COMMON_FIRST (-128)
#define COUNT_COMMON_LAST  511

struct count_constant {
	PyObject_HEAD
	int32_t charge;
};

static struct meter_counter count_idle;			/* counts what runs before a job's begin */
static struct meter_counter *count_counter = &count_idle;
static struct meter_terms count_terms;
static struct timespec count_began;
static PyObject *count_common[COUNT_COMMON_LAST - COUNT_COMMON_FIRST + 1];
static PyObject *count_rare; /* dict: charge -> constant */

static void count_slow(struct count_constant *paying);

static int
count_bool(PyObject *object)
{
	struct count_constant *self = (struct count_constant *)object;

	if (self->charge < 0) {
		_PyInterpreterFrame *frame = _PyThreadState_GET()->cframe->current_frame;
		const struct meter_registered *registered =
		    frame != NULL ? meter_registered(frame->f_code) : NULL;
		if (registered == NULL ||
		    !meter_registered_pays(registered, _PyInterpreterFrame_LASTI(frame),
					   self->charge))
			return 1;
	}
	count_counter->left -= self->charge;
	if (count_counter->left < 0)
		count_slow(self);
	return 1;
}

static PyObject *
count_repr(PyObject *object)
{
	return PyUnicode_FromFormat("<charge %d>", (int)((struct count_constant *)object)->charge);
}

static PyNumberMethods count_number = { .nb_bool = count_bool };
static PyTypeObject count_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "charge",
	.tp_basicsize = sizeof(struct count_constant),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_as_number = &count_number,
	.tp_repr = count_repr,
};

static PyObject *
count_make(int32_t charge)
{
	struct count_constant *self = PyObject_New(struct count_constant, &count_type);
	if (self != NULL)
		self->charge = charge;
	return (PyObject *)self;
}

int
meter_count_prepare(void)
{
	if (PyType_Ready(&count_type) < 0 || (count_rare = PyDict_New()) == NULL)
		return -1;
	for (int32_t charge = COUNT_COMMON_FIRST; charge <= COUNT_COMMON_LAST; charge++) {
		PyObject *constant = count_make(charge);
		if (constant == NULL)
			return -1;
		count_common[charge - COUNT_COMMON_FIRST] = constant;
	}
	count_idle = (struct meter_counter){ INT64_MAX, INT64_MAX };
	return 0;
}

PyObject *
meter_count_constant(int32_t charge)
{
	if (charge >= COUNT_COMMON_FIRST && charge <= COUNT_COMMON_LAST)
		return Py_NewRef(count_common[charge - COUNT_COMMON_FIRST]);
	PyObject *key = PyLong_FromLong(charge);
	PyObject *constant = key ? Py_XNewRef(PyDict_GetItemWithError(count_rare, key)) : NULL;
	if (key != NULL && constant == NULL && !PyErr_Occurred()) {
		constant = count_make(charge);
		if (constant != NULL && PyDict_SetItem(count_rare, key, constant) < 0)
			Py_CLEAR(constant);
	}
	Py_XDECREF(key);
	return constant;
}

bool
meter_count_is_constant(PyObject *object)
{
	return Py_IS_TYPE(object, &count_type);
}

/* Prepaid in all live frames of all threads. */
static uint64_t
count_prepaid(void)
{
	PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	uint64_t prepaid = 0;

	for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
		_PyInterpreterFrame *frame = tstate->cframe != NULL ? tstate->cframe->current_frame : NULL;
		for (; frame != NULL; frame = frame->previous) {
			const struct meter_registered *registered = meter_registered(frame->f_code);
			if (registered != NULL)
				prepaid += meter_registered_prepaid(registered, frame->f_code,
								    _PyInterpreterFrame_LASTI(frame));
		}
	}
	return prepaid;
}

static uint64_t
count_charged(void)
{
	return (uint64_t)(count_counter->granted - count_counter->left);
}

uint64_t
meter_count_now(void)
{
	uint64_t charged = count_charged(), prepaid = count_prepaid();
	return charged > prepaid ? charged - prepaid : 0;
}

/* Cost of the block whose charge is being paid, with nothing of it executed. */
static uint64_t
count_next_cost(void)
{
	_PyInterpreterFrame *frame = _PyThreadState_GET()->cframe->current_frame;
	const struct meter_registered *registered =
	    frame != NULL ? meter_registered(frame->f_code) : NULL;

	return registered == NULL ? 0 :
				    meter_registered_next(registered, _PyInterpreterFrame_LASTI(frame));
}

static void
count_grant(int64_t amount)
{
	count_counter->granted += amount - count_counter->left;
	count_counter->left = amount;
}

/* Hold the job back until its rate allows what it has been charged. */
static void
count_throttle(void)
{
	struct timespec now, until = count_began;
	uint64_t charged = count_charged();

	until.tv_sec += (time_t)(charged / count_terms.per_second);
	until.tv_nsec += (long)((charged % count_terms.per_second) * 1000000000ull /
				count_terms.per_second);
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > until.tv_sec ||
	    (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec))
		return;
	Py_BEGIN_ALLOW_THREADS
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	Py_END_ALLOW_THREADS
}

static int64_t
count_slice(void)
{
	uint64_t hundredth = count_terms.per_second / 100;

	if (count_terms.per_second == 0 || hundredth >= COUNT_SLICE)
		return COUNT_SLICE;
	return hundredth > 0 ? (int64_t)hundredth : 1;
}

static void
count_slow(struct count_constant *paying)
{
	if (count_counter == &count_idle) {
		count_idle = (struct meter_counter){ INT64_MAX, INT64_MAX };
		return;
	}
	if (count_terms.stop != NULL && *count_terms.stop != 0)
		count_terms.stopped(meter_count_now(), true);
	if (count_terms.per_second != 0)
		count_throttle();
	int64_t slice = count_slice();
	if (count_terms.budget != METER_BUDGET_NONE) {
		uint64_t prepaid = count_prepaid(), charged = count_charged();
		uint64_t count = charged > prepaid ? charged - prepaid : 0;
		if (count + count_next_cost() > count_terms.budget)
			count_terms.stopped(count, false);
		int64_t spare = (int64_t)(count_terms.budget - count) - (int64_t)prepaid;
		slice = spare < 0 ? 0 : spare < slice ? spare : slice;
	}
	count_grant(slice);
}

void
meter_count_begin(const struct meter_terms *terms)
{
	count_terms = *terms;
	count_counter = terms->counter;
	(void)clock_gettime(CLOCK_MONOTONIC, &count_began);
	*count_counter = (struct meter_counter){ 0, 0 };
	int64_t slice = count_slice();
	if (terms->budget != METER_BUDGET_NONE && terms->budget < (uint64_t)slice)
		slice = (int64_t)terms->budget;
	count_grant(slice);
}
