/*
 * The counter and the constants that charge it: see the header.
 *
 * A charge constant is an iterator that ends at once, with the effect of paying its charge. A
 * script can get hold of one through co_consts: calling next() on it charges the script, and there
 * is no constant that gives anything back. Since charges are paid ahead and never negative, the sum
 * only rises: a budget is spent when the next charge would bring the sum above it, and a job that
 * needs exactly N passes with N and not with N - 1.
 *
 * State is static because tp_iternext has no other way to it; the GIL serialises all access.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_count.h"

#include <errno.h>
#include <time.h>

/* Instructions between two looks at the stop flag: a tenth of a millisecond in plain code, and some
 * milliseconds where each waits a microsecond for C code. A look costs less than 20 charges. */
#define COUNT_SLICE  4096
#define COUNT_COMMON 512
/* Of the rules: what counts, where charges stand, what births do. Raised with each change. */
#define COUNT_VERSION "4"

struct count_constant {
	PyObject_HEAD uint32_t charge;
};

static struct page_meter count_idle; /* counts what runs before a job's begin */
static struct page_meter *count_counter = &count_idle;
static struct meter_terms count_terms;
static struct timespec count_began;
static PyObject *count_common[COUNT_COMMON];
static PyObject *count_rare; /* dict: charge -> constant */

static PyObject *count_slow(struct count_constant *paying);

/* tp_iternext: NULL without an exception is the end of an iteration, so FOR_ITER drops the constant
 * and goes on with the next instruction. */
static PyObject *
count_pay(PyObject *object)
{
	struct count_constant *self = (struct count_constant *)object;

	if (__builtin_expect((count_counter->left -= self->charge) < 0, 0))
		return count_slow(self);
	return NULL;
}

static PyObject *
count_repr(PyObject *object)
{
	return PyUnicode_FromFormat("<charge %u>",
				    (unsigned)((struct count_constant *)object)->charge);
}

static PyTypeObject count_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "charge",
    .tp_basicsize = sizeof(struct count_constant),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_iternext = count_pay,
    .tp_repr = count_repr,
};

static PyObject *
count_make(uint32_t charge)
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
	for (uint32_t charge = 0; charge < COUNT_COMMON; charge++) {
		PyObject *constant = count_make(charge);
		if (constant == NULL)
			return -1;
		count_common[charge] = constant;
	}
	count_idle = (struct page_meter){.granted = INT64_MAX, .left = INT64_MAX};
	return 0;
}

PyObject *
meter_count_constant(uint32_t charge)
{
	if (charge < COUNT_COMMON)
		return Py_NewRef(count_common[charge]);
	PyObject *key = PyLong_FromUnsignedLong(charge);
	PyObject *constant = key ? Py_XNewRef(PyDict_GetItemWithError(count_rare, key)) : NULL;
	if (key != NULL && constant == NULL && !PyErr_Occurred()) {
		constant = count_make(charge);
		if (constant != NULL && PyDict_SetItem(count_rare, key, constant) < 0)
			Py_CLEAR(constant);
	}
	Py_XDECREF(key);
	return constant;
}

const char *
meter_count_version(void)
{
	return COUNT_VERSION;
}

bool
meter_count_is_constant(PyObject *object)
{
	return Py_IS_TYPE(object, &count_type);
}

uint64_t
meter_count_now(void)
{
	return (uint64_t)(count_counter->granted - count_counter->left);
}

static void
count_grant(int64_t amount)
{
	int64_t granted = count_counter->granted + amount - count_counter->left;

	__atomic_store_n(&count_counter->left, amount, __ATOMIC_RELEASE);
	__atomic_store_n(&count_counter->granted, granted, __ATOMIC_RELEASE);
}

static uint64_t
count_ns(const struct timespec *at)
{
	return (uint64_t)at->tv_sec * 1000000000u + (uint64_t)at->tv_nsec;
}

/* Hold the job back until its rate allows what it has been charged. */
static void
count_throttle(void)
{
	struct timespec now, then, until = count_began;
	uint64_t charged = meter_count_now();

	until.tv_sec += (time_t)(charged / count_terms.per_second);
	until.tv_nsec +=
	    (long)((charged % count_terms.per_second) * 1000000000ull / count_terms.per_second);
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > until.tv_sec ||
	    (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec))
		return;
	PyThreadState *thread = PyEval_SaveThread();
	/* A program can have itself interrupted as often as it likes. */
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	(void)clock_gettime(CLOCK_MONOTONIC, &then);
	PyEval_RestoreThread(thread);
	count_counter->slept_ns += count_ns(&then) - count_ns(&now);
}

/* How much to grant: to the next look, or to the end of the budget. */
static int64_t
count_slice(void)
{
	uint64_t slice = COUNT_SLICE, hundredth = count_terms.per_second / 100;
	uint64_t rest = count_terms.budget - meter_count_now();

	if (count_terms.per_second != 0 && hundredth < slice)
		slice = hundredth > 0 ? hundredth : 1;
	if (count_terms.budget != METER_BUDGET_NONE && rest < slice)
		slice = rest;
	return (int64_t)slice;
}

/* The charge that was one too many was not used: it is given back before the end. */
static void
count_stop(const struct count_constant *paying, bool asked)
{
	count_counter->left += paying->charge;
	count_terms.stopped(meter_count_now(), asked);
}

/* Returns when the job may go on. */
static void
count_check(const struct count_constant *paying)
{
	if (count_terms.stop != NULL && *count_terms.stop != 0)
		count_stop(paying, true);
	if (count_terms.budget != METER_BUDGET_NONE && meter_count_now() > count_terms.budget)
		count_stop(paying, false);
}

/* Apart from the fast path, which needs no stack frame without it. Returns NULL. */
static __attribute__((noinline, cold)) PyObject *
count_slow(struct count_constant *paying)
{
	if (count_counter == &count_idle) {
		count_idle = (struct page_meter){.granted = INT64_MAX, .left = INT64_MAX};
		return NULL;
	}
	count_check(paying);
	if (count_terms.per_second != 0) {
		count_throttle();
		count_check(paying); /* other threads have run meanwhile */
	}
	count_grant(count_slice());
	return NULL;
}

void
meter_count_begin(const struct meter_terms *terms)
{
	count_terms = *terms;
	count_counter = terms->counter;
	(void)clock_gettime(CLOCK_MONOTONIC, &count_began);
	*count_counter = (struct page_meter){0};
	count_grant(count_slice());
}
