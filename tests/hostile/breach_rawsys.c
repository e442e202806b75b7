/*
 * `_rawsys`: what a tenant with native code has. Raw system calls, reading and writing of any
 * address, forged signal frames, foreign system call entries. It passes no check by itself: what
 * the kernel refuses is what the sandbox refuses.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "protocol/worker_abi.h"
#include "tests/hostile/breach.h"

#include <errno.h>
#include <stddef.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STEP 4096u

/* A number, or an object with a buffer: its address. */
static int
word_of(PyObject *object, unsigned long *ret_word)
{
	Py_buffer view;

	if (PyLong_Check(object)) {
		*ret_word = PyLong_AsUnsignedLongMask(object);
		return PyErr_Occurred() ? -1 : 0;
	}
	if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
		return -1;
	*ret_word = (unsigned long)(uintptr_t)view.buf;
	PyBuffer_Release(&view); /* the caller holds the object */
	return 0;
}

static int
words_of(PyObject *args, unsigned long *words, Py_ssize_t max)
{
	Py_ssize_t count = PyTuple_GET_SIZE(args);

	if (count > max) {
		PyErr_SetString(PyExc_TypeError, "too many words");
		return -1;
	}
	memset(words, 0, (size_t)max * sizeof(*words));
	for (Py_ssize_t i = 0; i < count; i++)
		if (word_of(PyTuple_GET_ITEM(args, i), &words[i]) < 0)
			return -1;
	return 0;
}

#if defined(__x86_64__)
static long
raw(const unsigned long *w)
{
	register unsigned long r10 __asm__("r10") = w[4];
	register unsigned long r8 __asm__("r8") = w[5];
	register unsigned long r9 __asm__("r9") = w[6];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(w[0]), "D"(w[1]), "S"(w[2]), "d"(w[3]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#else
static long
raw(const unsigned long *w)
{
	long result = syscall((long)w[0], w[1], w[2], w[3], w[4], w[5], w[6]);

	return result < 0 ? -errno : result;
}
#endif

static PyObject *
rawsys_syscall(PyObject *self, PyObject *args)
{
	unsigned long words[7];
	long result;

	(void)self;
	if (words_of(args, words, 7) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS;
	result = raw(words);
	Py_END_ALLOW_THREADS;
	if (result < 0 && result >= -4095)
		return Py_BuildValue("li", -1L, (int)-result);
	return Py_BuildValue("li", result, 0);
}

static PyObject *
rawsys_peek(PyObject *self, PyObject *args)
{
	unsigned long words[2];

	(void)self;
	if (words_of(args, words, 2) < 0)
		return NULL;
	return PyBytes_FromStringAndSize((const char *)words[0], (Py_ssize_t)words[1]);
}

static PyObject *
rawsys_poke(PyObject *self, PyObject *args)
{
	unsigned long long address;
	Py_buffer view;

	(void)self;
	if (!PyArg_ParseTuple(args, "Ky*", &address, &view))
		return NULL;
	memcpy((void *)(uintptr_t)address, view.buf, (size_t)view.len);
	PyBuffer_Release(&view);
	Py_RETURN_NONE;
}

/* The kernel reads 8 bytes there before it refuses the nonsense in the first argument. */
static bool
is_readable(uintptr_t address)
{
	const unsigned long words[7] = {SYS_rt_sigprocmask, 99, address, 0, 8};

	return raw(words) == -EINVAL;
}

/* (first, end) of what is readable around an address, through gaps of at most `gap` bytes. */
static PyObject *
rawsys_regions(PyObject *self, PyObject *args)
{
	unsigned long words[2];
	PyObject *list = PyList_New(0);

	(void)self;
	if (list == NULL || words_of(args, words, 2) < 0)
		return NULL;
	for (int up = 0; up < 2; up++) {
		uintptr_t at = words[0] & ~(uintptr_t)(STEP - 1), missing = 0, end = 0;

		at += up ? STEP : 0;
		for (; missing <= words[1] && at >= STEP && at < (uintptr_t)1 << 47;
		     at += up ? STEP : -(uintptr_t)STEP) {
			bool there = is_readable(at);

			missing = there ? 0 : missing + STEP;
			if (there && end == 0)
				end = at + (up ? 0 : STEP);
			if (there || end == 0)
				continue;
			PyObject *pair =
			    up ? Py_BuildValue("kk", end, at) : Py_BuildValue("kk", at + STEP, end);

			end = 0;
			if (pair == NULL || PyList_Append(list, pair) < 0)
				return NULL;
			Py_DECREF(pair);
		}
	}
	return list;
}

/* Addresses at which the bytes stand, given backwards so that the request is no match itself. */
static PyObject *
rawsys_find_reversed(PyObject *self, PyObject *args)
{
	unsigned long long first, end;
	const char *text;
	Py_ssize_t size;
	long count = 0;

	(void)self;
	if (!PyArg_ParseTuple(args, "y#KK", &text, &size, &first, &end) || size == 0)
		return NULL;
	for (const char *at = (const char *)(uintptr_t)first;
	     at + size <= (const char *)(uintptr_t)end; at++) {
		Py_ssize_t i;

		at = memchr(at, text[size - 1], (size_t)((const char *)(uintptr_t)end - at));
		if (at == NULL || at + size > (const char *)(uintptr_t)end)
			break;
		for (i = 1; i < size && at[i] == text[size - 1 - i]; i++)
			;
		count += i == size;
	}
	return PyLong_FromLong(count);
}

#if defined(__x86_64__)
/* rt_sigreturn with the stack pointer at a frame of the caller's. Does not come back. */
static PyObject *
rawsys_sigreturn(PyObject *self, PyObject *args)
{
	unsigned long words[1];

	(void)self;
	if (words_of(args, words, 1) < 0)
		return NULL;
	__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; hlt" : : "r"(words[0]));
	__builtin_unreachable();
}

/* The 32-bit entry. */
static PyObject *
rawsys_int80(PyObject *self, PyObject *args)
{
	unsigned long words[1];
	long result;

	(void)self;
	if (words_of(args, words, 1) < 0)
		return NULL;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(words[0]), "b"(0), "c"(0), "d"(0)
			 : "memory");
	return PyLong_FromLong(result);
}

static PyObject *
rawsys_rdpmc(PyObject *self, PyObject *args)
{
	unsigned low, high;

	(void)self;
	(void)args;
	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(0));
	return PyLong_FromUnsignedLong(low);
}
#endif

static PyMethodDef METHODS[] = {
    {"syscall", rawsys_syscall, METH_VARARGS, NULL},
    {"peek", rawsys_peek, METH_VARARGS, NULL},
    {"poke", rawsys_poke, METH_VARARGS, NULL},
    {"regions", rawsys_regions, METH_VARARGS, NULL},
    {"find_reversed", rawsys_find_reversed, METH_VARARGS, NULL},
#if defined(__x86_64__)
    {"sigreturn", rawsys_sigreturn, METH_VARARGS, NULL},
    {"int80", rawsys_int80, METH_VARARGS, NULL},
    {"rdpmc", rawsys_rdpmc, METH_NOARGS, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static PyObject *
rawsys_layout(PyObject *self, PyObject *args)
{
	static const struct {
		const char *name;
		unsigned long value;
	} LAYOUT[] = {
	    {"phase", offsetof(struct worker_page, phase)},
	    {"reason", offsetof(struct worker_page, reason)},
	    {"detail", offsetof(struct worker_page, detail)},
	    {"setup_step", offsetof(struct worker_page, setup_step)},
	    {"setup_errno", offsetof(struct worker_page, setup_errno)},
	    {"trace_truncated", offsetof(struct worker_page, trace_truncated)},
	    {"result_bytes", offsetof(struct worker_page, result_bytes)},
	    {"trace_bytes", offsetof(struct worker_page, trace_bytes)},
	    {"granted", offsetof(struct worker_page, meter.granted)},
	    {"left", offsetof(struct worker_page, meter.left)},
	    {"levels", offsetof(struct worker_page, stages[0].levels)},
	    {"flush", offsetof(struct worker_page, stages[0].flush_mark)},
	    {"levels2", offsetof(struct worker_page, stages[1].levels)},
	    {"flush2", offsetof(struct worker_page, stages[1].flush_mark)},
	    {"setup_name", offsetof(struct worker_page, setup_name)},
	    {"stop", offsetof(struct worker_page, stop)},
	    {"header_bytes", PAGE_HEADER_BYTES},
	    {"mapped_bytes", PAGE_MAPPED_BYTES},
	    {"result", PAGE_RESULT_OFFSET},
	    {"result_max", RESULT_BYTES_MAX},
	    {"trace", PAGE_TRACE_OFFSET},
	    {"file_bytes", PAGE_FILE_BYTES},
	    {"page_fd", BREACH_FD_PAGE},
	    {"channel_fd", BREACH_FD_CHANNEL},
	};
	PyObject *layout = PyDict_New();

	(void)self;
	(void)args;
	for (size_t i = 0; layout != NULL && i < sizeof(LAYOUT) / sizeof(LAYOUT[0]); i++) {
		PyObject *value = PyLong_FromUnsignedLong(LAYOUT[i].value);

		if (value == NULL || PyDict_SetItemString(layout, LAYOUT[i].name, value) < 0)
			return NULL;
		Py_DECREF(value);
	}
	return layout;
}

/* Start points for regions(): page, stack, heap, libpython, the kernel's vdso. */
static PyObject *
rawsys_addresses(PyObject *self, PyObject *args)
{
	int here;

	(void)self;
	(void)args;
	return Py_BuildValue(
	    "kkkkk", (unsigned long)(uintptr_t)breach_page(), (unsigned long)(uintptr_t)&here,
	    (unsigned long)(uintptr_t)sbrk(0) - 64, (unsigned long)(uintptr_t)&PyDict_New,
	    (unsigned long)getauxval(AT_SYSINFO_EHDR));
}

/* Address and size of the room for compiled code; address 0: there was none. */
static PyObject *
rawsys_room(PyObject *self, PyObject *args)
{
	(void)self;
	(void)args;
	return Py_BuildValue("kkk", (unsigned long)(uintptr_t)breach_room(),
			     (unsigned long)CODE_FILE_BYTES, (unsigned long)CODE_OFFSET);
}

static PyMethodDef FACTS[] = {
    {"room", rawsys_room, METH_NOARGS, NULL},
    {"layout", rawsys_layout, METH_NOARGS, NULL},
    {"addresses", rawsys_addresses, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_rawsys", NULL, -1, METHODS, NULL, NULL, NULL, NULL,
};

static void *
sleep_for_ever(void *context)
{
	for (;;)
		(void)pause();
	return context;
}

/* "thread": what some libraries do when they are imported, here as a module to preload. */
static PyObject *
rawsys_init(void)
{
	PyObject *module = PyModule_Create(&MODULE);
	pthread_t thread;

	if (breach_has("thread") && pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0)
		return NULL;
	if (module != NULL && PyModule_AddFunctions(module, FACTS) < 0)
		return NULL;
	return module;
}

int
breach_rawsys_add(void)
{
	return PyImport_AppendInittab("_rawsys", rawsys_init);
}
