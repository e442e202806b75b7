/*
 * The life of the embedded CPython: configured here once in the zygote, carried over each fork,
 * never finalised. The configuration is isolated: no environment, no site, no current directory on
 * the path, no .pth file, no byte code written; only the standard library given. Called by the
 * zygote's main program alone. Fails with ERROR_SYSTEM or ERROR_INVALID and the text of what
 * CPython said; a zygote that cannot start its interpreter ends. Running a job is python_run.c.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_host.h"

#include "protocol/base_sys.h"
#include "worker/meter_birth.h"
#include "worker/python_ceiling.h"
#include "worker/python_compiled.h"
#include "worker/python_end.h"
#include "worker/python_failure.h"
#include "worker/python_finder.h"
#include "worker/python_input.h"
#include "worker/python_main.h"
#include "worker/python_meter.h"
#include "worker/python_output.h"
#include "worker/python_plain.h"
#include "worker/python_refuse.h"
#include "worker/python_rehearse.h"
#include "worker/python_seed.h"
#include "worker/python_source.h"
#include "worker/trace_run.h"
#include "worker/zygote_data.h"
#include "worker/zygote_heap.h"
#include "worker/zygote_huge.h"
#include "worker/zygote_libraries.h"
#include "worker/zygote_touch.h"
#include "worker/zygote_trial.h"
#include "worker/zygote_warm.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOST_PATH_BYTES   4096
#define HOST_STANDARD_FDS 3

static int
host_status(PyStatus status, struct error *err)
{
	if (!PyStatus_Exception(status))
		return 0;
	return error_set(err, ERROR_SYSTEM, "CPython does not start: %s: %s",
			 status.func ? status.func : "?", status.err_msg ? status.err_msg : "exit");
}

/* "/usr/lib/python3.11" -> "/usr" */
static int
host_prefix(const char *stdlib, char *ret_prefix, size_t size, struct error *err)
{
	size_t length = strlen(stdlib);

	if (stdlib[0] != '/' || length >= size || stdlib[length - 1] == '/')
		return error_set(err, ERROR_INVALID, "standard library '%s': not an absolute path",
				 stdlib);
	memcpy(ret_prefix, stdlib, length + 1);
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(ret_prefix, '/');

		if (slash == NULL || slash == ret_prefix)
			return error_set(err, ERROR_INVALID,
					 "standard library '%s': no PREFIX/lib/pythonX.Y", stdlib);
		*slash = '\0';
	}
	return 0;
}

static PyStatus
host_append_path(PyConfig *config, const char *path)
{
	PyStatus status = PyStatus_NoMemory();
	wchar_t *wide = Py_DecodeLocale(path, NULL);

	if (wide != NULL)
		status = PyWideStringList_Append(&config->module_search_paths, wide);
	PyMem_RawFree(wide);
	return status;
}

/* Every path is said here, so that CPython searches for nothing. */
static PyStatus
host_paths(PyConfig *config, const char *stdlib, const char *prefix)
{
	char dynload[HOST_PATH_BYTES];
	struct {
		wchar_t **field;
		const char *value;
	} strings[] = {
	    {&config->program_name, "python3"}, {&config->executable, ""},
	    {&config->base_executable, ""},     {&config->home, prefix},
	    {&config->prefix, prefix},          {&config->base_prefix, prefix},
	    {&config->exec_prefix, prefix},     {&config->base_exec_prefix, prefix},
	    {&config->stdlib_dir, stdlib},      {&config->platlibdir, "lib"},
	};
	PyStatus status;

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		status = PyConfig_SetBytesString(config, strings[i].field, strings[i].value);
		if (PyStatus_Exception(status))
			return status;
	}
	config->module_search_paths_set = 1;
	status = host_append_path(config, stdlib);
	if (PyStatus_Exception(status))
		return status;
	/* Served by zygote_extension.c; the directory itself is hidden from jobs. */
	(void)snprintf(dynload, sizeof(dynload), "%s/lib-dynload", stdlib);
	return host_append_path(config, dynload);
}

static int
host_initialize(const struct python_host_options *options, const char *prefix, struct error *err)
{
	PyPreConfig before;
	PyConfig config;
	PyStatus status;

	PyPreConfig_InitIsolatedConfig(&before);
	before.utf8_mode = 1;
	status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return host_status(status, err);
	PyConfig_InitIsolatedConfig(&config);
	config.parse_argv = 0;
	config.site_import = 0;
	config.write_bytecode = 0;
	config.pathconfig_warnings = 0;
	config.install_signal_handlers = 1;
	config.use_hash_seed = 1;
	config.hash_seed = (unsigned long)options->hash_seed;
	status = host_paths(&config, options->stdlib, prefix);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return host_status(status, err);
}

/* Programs keep it under names of their own. */
static void
host_keep_input(void)
{
	PyObject *text = PySys_GetObject("stdin"); /* borrowed */
	PyObject *buffer = text ? PyObject_GetAttrString(text, "buffer") : NULL;
	PyObject *raw = buffer ? PyObject_GetAttrString(buffer, "raw") : NULL;

	python_plain_keep(text);
	python_plain_keep(buffer);
	python_plain_keep(raw);
	Py_XDECREF(buffer);
	Py_XDECREF(raw);
	PyErr_Clear();
}

/* An empty file in memory in place of the descriptor. ret_saved: what it was; -1: not open. */
static int
host_put_file(int fd, int *ret_saved, struct error *err)
{
	int memory = -1, code;

	*ret_saved = fcntl(fd, F_DUPFD_CLOEXEC, HOST_STANDARD_FDS);
	if (*ret_saved < 0 && errno != EBADF)
		return error_errno(err, "fcntl F_DUPFD_CLOEXEC");
	code = base_memfd("stint-stream", 0, &memory, err);
	if (code == 0 && memory == fd)
		return 0;
	if (code == 0 && dup2(memory, fd) < 0)
		code = error_errno(err, "dup2");
	base_close(&memory);
	if (code < 0)
		base_close(ret_saved);
	return code;
}

static int
host_put_back(int fd, int *saved, struct error *err)
{
	int code = 0;

	if (*saved < 0)
		(void)close(fd);
	else if (dup2(*saved, fd) < 0)
		code = error_errno(err, "dup2");
	base_close(saved);
	return code;
}

/* A worker's standard descriptors are files in memory: so are these while the streams are made. */
static int
host_make_streams(struct error *err)
{
	int saved[HOST_STANDARD_FDS], code = 0, put = 0;

	while (put < HOST_STANDARD_FDS && code == 0) {
		code = host_put_file(put, &saved[put], err);
		put += code == 0;
	}
	if (code == 0)
		code = python_input_premake(err);
	if (code == 0)
		code = python_output_premake(err);
	if (code == 0)
		host_keep_input();
	for (int fd = 0; fd < put; fd++) {
		int back = host_put_back(fd, &saved[fd], code == 0 ? err : NULL);

		code = code < 0 ? code : back;
	}
	return code;
}

/* What is replaced is not to leave holes: it stays. And what waits to be used again is freed. */
static void
host_keep(void)
{
	static const char *const NAMES[] = {"stdin",      "stdout",     "stderr", "__stdin__",
					    "__stdout__", "__stderr__", "argv"};

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		Py_XINCREF(PySys_GetObject(NAMES[i]));
	Py_XINCREF(PyDict_GetItemString(PyImport_GetModuleDict(), "__main__"));
	(void)PyGC_Collect();
}

/* What each worker would make, made once, in memory that lies together. */
static int
host_premake(const char *main_file, struct error *err)
{
	int code = zygote_warm_empty(err);

	host_keep();
	zygote_heap_fill_pools();
	if (code == 0)
		code = host_make_streams(err);
	if (code < 0)
		return code;
	/* As in each worker: what this leaves in caches, none of them has to write again. */
	python_host_before_fork();
	python_host_after_fork();
	code = zygote_warm_freeze(err);
	python_plain_begin();
	/* Not frozen: the job's objects hang on it. */
	if (code == 0 && main_file != NULL)
		code = python_main_premake(main_file, err);
	return code;
}

int
python_host_start(const struct python_host_options *options, struct error *err)
{
	char prefix[HOST_PATH_BYTES];
	int code;

	if (options->hash_seed > UINT32_MAX)
		return error_set(err, ERROR_INVALID, "hash_seed is above 4294967295");
	code = host_prefix(options->stdlib, prefix, sizeof(prefix) - sizeof("/lib-dynload"), err);
	if (code < 0)
		return code;
	/* os.environ is a copy made at the start: a job's is empty. */
	if (clearenv() != 0)
		return error_errno(err, "clearing the environment");
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "the locale C.UTF-8 is missing");
	/* The module time reads the zone when it is imported, here; a job has no /etc/localtime. */
	if (setenv("TZ", "UTC0", 1) != 0)
		return error_errno(err, "setting the time zone");
	tzset();
	(void)unsetenv("TZ");
	zygote_libraries_begin();
	zygote_huge_begin();
	zygote_heap_begin();
	code = host_initialize(options, prefix, err);
	if (code == 0)
		code = meter_birth_prepare(err);
	if (code == 0)
		code = python_input_prepare(err);
	if (code == 0)
		code = python_output_prepare(err);
	if (code == 0)
		code = python_ceiling_prepare(err);
	if (code == 0)
		code = python_refuse_prepare(err);
	if (code == 0)
		code = python_source_prepare(options->stdlib, err);
	if (code == 0)
		code = python_compiled_prepare(err);
	if (code == 0)
		code = python_finder_prepare(err);
	if (code == 0)
		code = python_failure_prepare(err);
	if (code == 0)
		code = zygote_warm(options->preload, options->stdlib, err);
	if (code == 0)
		code = python_seed_prepare(err);
	if (code == 0)
		code = python_end_prepare(err);
	if (code == 0)
		code = python_meter_prepare(options->hash_seed, err);
	if (code == 0 && trace_run_prepare() < 0)
		code = error_set(err, ERROR_SYSTEM, "CPython has no room for traces");
	return code == 0 ? host_premake(options->main_file, err) : code;
}

const char *
python_host_version(void)
{
	static char version[32]; /* filled once, from a constant of libpython */

	if (version[0] == '\0')
		(void)snprintf(version, sizeof(version), "%.*s", (int)strcspn(Py_GetVersion(), " "),
			       Py_GetVersion());
	return version;
}

const char *
python_host_meter_id(void)
{
	return python_meter_id();
}

size_t
python_host_settle(bool first)
{
	if (first) {
		/* Free lists too: what workers take is to be new. */
		(void)PyGC_Collect();
		zygote_heap_fill_blocks();
	}
	zygote_heap_join();
	if (!first)
		return 0;
	zygote_trial();
	(void)zygote_libraries_settle();
	return zygote_huge_settle() + zygote_heap_settle() + zygote_data_settle();
}

void
python_host_before_fork(void)
{
	PyOS_BeforeFork();
}

void
python_host_after_fork_parent(void)
{
	PyOS_AfterFork_Parent();
}

/*
 * The module random, when it is imported, hooks itself into PyOS_AfterFork_Child and takes a new
 * seed there: python_seed.c does that in its place. OpenSSL (behind hashlib and ssl) notices a new
 * pid by itself.
 */
void
python_host_wake(void)
{
	PyOS_AfterFork_Child();
	python_seed_after_fork();
}

void
python_host_after_fork(void)
{
	bool known = zygote_touch() > 0;

	python_host_wake();
	if (!known)
		python_rehearse();
}
