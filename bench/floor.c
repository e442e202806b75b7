/*
 * floor: what cannot be undercut by a daemon that forks a warm interpreter for each job.
 *
 *	floor [-n COUNT] [-s SECONDS] [-p AT_ONCE] [-l STDLIB] [-m "MODULE..."] fork|script [SOURCE]
 *
 * The interpreter is linked, warmed and settled as in stint-zygote (python_host_start,
 * python_host_settle, zygote_text_settle). `fork`: fork and _exit, until it is reaped. `script`:
 * fork, the interpreter's after-fork hooks, SOURCE in __main__ (not metered), its output flushed
 * into a memory file, _exit. No sandbox, no limits, no control group, no socket. Prints one line of
 * JSON, as spawn does. A child that fails ends it.
 */
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "bench/load_histogram.h"
#include "bench/load_times.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "protocol/config.h"
#include "worker/python_host.h"
#include "worker/zygote_text.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE_MAX 64

/* A plain text file over fd 1, as python3 would have; the zygote has none. */
static const char STREAMS[] = "import sys, io\n"
			      "sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, 'w', "
			      "closefd=False)), encoding='utf-8')\n";

struct settings {
	long count, at_once;
	double seconds;
	struct python_host_options host;
	const char *source; /* NULL: fork and exit */
};

struct child {
	pid_t pid; /* 0: none */
	uint64_t start_ns;
};

static void
be_a_child(const struct settings *settings)
{
	if (settings->source == NULL)
		_exit(0);
	PyOS_AfterFork_Child();
	if (PyRun_SimpleString(settings->source) < 0 ||
	    PyRun_SimpleString("sys.stdout.flush()") < 0)
		_exit(1);
	_exit(0);
}

static bool
start(const struct settings *settings, struct child *child)
{
	child->start_ns = clock_now_ns(&CLOCK_SYSTEM);
	if (settings->source != NULL)
		PyOS_BeforeFork();
	child->pid = fork();
	if (child->pid == 0)
		be_a_child(settings);
	if (settings->source != NULL)
		PyOS_AfterFork_Parent();
	return child->pid > 0;
}

static bool
reap(struct child *children, long count, struct load_histogram *times)
{
	int status = 0;
	pid_t pid = waitpid(-1, &status, 0);

	if (pid < 0 || status != 0)
		return false;
	for (long i = 0; i < count; i++) {
		if (children[i].pid != pid)
			continue;
		children[i].pid = 0;
		load_histogram_add(times, clock_now_ns(&CLOCK_SYSTEM) - children[i].start_ns);
	}
	return true;
}

static bool
run_all(const struct settings *settings, struct load_histogram *times)
{
	struct child children[AT_ONCE_MAX] = {0};
	uint64_t end = clock_now_ns(&CLOCK_SYSTEM) + (uint64_t)(settings->seconds * 1e9);
	long started = 0, running = 0;
	bool well = true, more = true;

	while (more || running > 0) {
		more = well && started < settings->count && clock_now_ns(&CLOCK_SYSTEM) < end;

		for (long i = 0; more && i < settings->at_once && started < settings->count; i++) {
			if (children[i].pid != 0)
				continue;
			well = well && start(settings, &children[i]);
			started++;
			running++;
		}
		if (running > 0) {
			well = reap(children, settings->at_once, times) && well;
			running--;
		}
	}
	return well;
}

static double
used_us(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e6 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* before: of the children that settling took. */
static int
report(const struct load_histogram *times, double seconds, const struct rusage *before)
{
	struct rusage theirs;
	json_t *object;
	double cpu = 0, count = (double)times->count;

	(void)getrusage(RUSAGE_CHILDREN, &theirs);
	cpu = used_us(&theirs) - used_us(before);
	object = json_pack("{s:o, s:f, s:f, s:f}", "latency_us", load_times_json(times),
			   "per_second", count / seconds, "cpu_us_each", cpu / count, "faults_each",
			   (double)(theirs.ru_minflt - before->ru_minflt) / count);
	if (object == NULL || json_dumpf(object, stdout, JSON_REAL_PRECISION(9)) < 0)
		return 1;
	json_decref(object);
	(void)printf("\n");
	return 0;
}

static int
open_streams(struct error *err)
{
	int memory = -1, own, code = base_memfd("out", 0, &memory, err);

	if (code < 0)
		return code;
	/* The report goes where fd 1 was. */
	own = dup(1);
	if (own < 0 || dup2(memory, 1) < 0 || fcntl(1, F_SETFD, 0) < 0)
		return error_errno(err, "descriptors");
	base_close(&memory);
	stdout = fdopen(own, "w");
	if (stdout == NULL || PyRun_SimpleString(STREAMS) < 0)
		return error_set(err, ERROR_SYSTEM, "no streams");
	return 0;
}

static int
warm_up(const struct settings *settings, struct error *err)
{
	int code;

	(void)zygote_text_settle();
	code = python_host_start(&settings->host, err);
	if (code == 0 && settings->source != NULL)
		code = open_streams(err);
	if (code == 0) {
		(void)python_host_settle(true);
		(void)python_host_settle(false);
	}
	return code;
}

int
main(int argc, char **argv)
{
	static struct load_histogram times;
	static struct config config; /* for its built-in defaults */
	struct settings settings = {.count = 1000000, .at_once = 1, .seconds = 10};
	struct error err = ERROR_INIT;
	struct rusage before;
	uint64_t begin;
	int option;

	settings.host.stdlib = "/usr/lib/python3.11";
	config_init(&config);
	settings.host.preload = config_text(&config, preload);
	while ((option = getopt(argc, argv, "+n:s:p:l:m:")) != -1) {
		if (option == 'n')
			settings.count = atol(optarg);
		else if (option == 's')
			settings.seconds = atof(optarg);
		else if (option == 'p')
			settings.at_once = atol(optarg);
		else if (option == 'l')
			settings.host.stdlib = optarg;
		else if (option == 'm')
			settings.host.preload = optarg;
		else
			return 2;
	}
	if (optind < argc && strcmp(argv[optind], "script") == 0 && optind + 1 < argc)
		settings.source = argv[optind + 1];
	else if (optind + 1 != argc || strcmp(argv[optind], "fork") != 0)
		settings.count = 0;
	if (settings.count < 1 || settings.at_once < 1 || settings.at_once > AT_ONCE_MAX ||
	    !(settings.seconds > 0 && settings.seconds < 3600)) {
		(void)fprintf(stderr, "usage: floor [-n COUNT] [-s SECONDS] [-p AT_ONCE] "
				      "[-l STDLIB] [-m MODULES] fork|script [SOURCE]\n");
		return 2;
	}
	if (warm_up(&settings, &err) < 0) {
		(void)fprintf(stderr, "floor: %s\n", err.text);
		return 1;
	}
	(void)getrusage(RUSAGE_CHILDREN, &before);
	begin = clock_now_ns(&CLOCK_SYSTEM);
	if (!run_all(&settings, &times) || times.count == 0) {
		(void)fprintf(stderr, "floor: a child failed\n");
		return 1;
	}
	return report(&times, (double)(clock_now_ns(&CLOCK_SYSTEM) - begin) / 1e9, &before);
}
