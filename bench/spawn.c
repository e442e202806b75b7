/*
 * spawn: what starting a command costs, from the start to its death with its output read.
 *
 *	spawn [-n COUNT] [-s SECONDS] [-p AT_ONCE] [-g MILLISECONDS] [-e OUTPUT] -- COMMAND [ARG...]
 *
 * MILLISECONDS from one start to the next at least; one after the other if 0.
 * Prints one line of JSON: times, rate, CPU time and page faults of each. It is what stint is
 * compared with: the same program, in python3 or in a sandbox that somebody would use instead. A
 * command that fails, or prints something else than OUTPUT, ends it with status 1: a fast failure
 * is no measurement.
 */
#define _GNU_SOURCE
#include "bench/load_histogram.h"
#include "bench/load_times.h"
#include "protocol/base_clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE_MAX  64
#define OUTPUT_BYTES 4096

extern char **environ;

struct settings {
	long count, at_once;
	double seconds;
	const char *output; /* NULL: any */
	char **command;
	uint64_t end_ns, gap_ns;
	atomic_long left;
};

struct share {
	pthread_t thread;
	struct settings *settings;
	struct load_histogram times;
	char fault[128]; /* "" when all went well */
};

static size_t
read_all(int fd, char *ret_text)
{
	size_t size = 0;
	ssize_t got;

	while ((got = read(fd, ret_text + size, OUTPUT_BYTES - 1 - size)) > 0)
		size += (size_t)got;
	ret_text[size] = '\0';
	return size;
}

/* One command to its end. */
static int
run_once(struct share *share)
{
	const struct settings *settings = share->settings;
	posix_spawn_file_actions_t actions;
	char text[OUTPUT_BYTES];
	int fds[2], status = 0, error;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	error =
	    posix_spawnp(&pid, settings->command[0], &actions, NULL, settings->command, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fds[1]);
	if (error == 0) {
		(void)read_all(fds[0], text);
		error = waitpid(pid, &status, 0) == pid ? 0 : -1;
	}
	(void)close(fds[0]);
	if (error != 0 || status != 0)
		(void)snprintf(share->fault, sizeof(share->fault), "%s: error %d, status %d",
			       settings->command[0], error, status);
	else if (settings->output != NULL && strcmp(settings->output, text) != 0)
		(void)snprintf(share->fault, sizeof(share->fault), "it printed '%.60s'", text);
	return share->fault[0] == '\0' ? 0 : -1;
}

static void
wait_until(uint64_t time_ns)
{
	uint64_t now_ns = clock_now_ns(&CLOCK_SYSTEM);

	if (now_ns < time_ns)
		(void)usleep((useconds_t)((time_ns - now_ns) / 1000));
}

static void *
work(void *context)
{
	struct share *share = context;
	struct settings *settings = share->settings;

	while (atomic_fetch_sub(&settings->left, 1) > 0) {
		uint64_t start = clock_now_ns(&CLOCK_SYSTEM);

		if (start >= settings->end_ns || run_once(share) < 0)
			break;
		load_histogram_add(&share->times, clock_now_ns(&CLOCK_SYSTEM) - start);
		wait_until(start + settings->gap_ns);
	}
	return NULL;
}

static int
report(const struct load_histogram *times, double seconds)
{
	struct rusage usage;
	json_t *object;
	double cpu, count = (double)times->count;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	object = json_pack("{s:o, s:f, s:f, s:f}", "latency_us", load_times_json(times),
			   "per_second", count / seconds, "cpu_us_each", cpu / count, "faults_each",
			   (double)usage.ru_minflt / count);
	if (object == NULL || json_dumpf(object, stdout, JSON_REAL_PRECISION(9)) < 0)
		return 1;
	json_decref(object);
	(void)printf("\n");
	return 0;
}

/* A sandbox may leave its inner processes to whoever adopts them: their CPU time counts, too. */
static void
adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1ul, 0ul, 0ul, 0ul) < 0) {
		perror("spawn: PR_SET_CHILD_SUBREAPER");
		exit(1);
	}
}

static void
reap_adopted(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static int
run_all(struct settings *settings)
{
	static struct share shares[AT_ONCE_MAX];
	static struct load_histogram times;
	uint64_t start = clock_now_ns(&CLOCK_SYSTEM), end;
	int status = 0;

	adopt();
	settings->end_ns = start + (uint64_t)(settings->seconds * 1e9);
	atomic_store(&settings->left, settings->count);
	for (long i = 0; i < settings->at_once; i++) {
		shares[i].settings = settings;
		if (pthread_create(&shares[i].thread, NULL, work, &shares[i]) != 0)
			abort();
	}
	for (long i = 0; i < settings->at_once; i++) {
		(void)pthread_join(shares[i].thread, NULL);
		load_histogram_merge(&times, &shares[i].times);
		if (shares[i].fault[0] != '\0') {
			(void)fprintf(stderr, "spawn: %s\n", shares[i].fault);
			status = 1;
		}
	}
	end = clock_now_ns(&CLOCK_SYSTEM);
	reap_adopted();
	if (status == 0 && times.count > 0)
		return report(&times, (double)(end - start) / 1e9);
	return 1;
}

int
main(int argc, char **argv)
{
	struct settings settings = {.count = 1000000, .at_once = 1, .seconds = 10};
	int option;

	while ((option = getopt(argc, argv, "+n:s:p:e:g:")) != -1) {
		if (option == 'n')
			settings.count = atol(optarg);
		else if (option == 's')
			settings.seconds = atof(optarg);
		else if (option == 'p')
			settings.at_once = atol(optarg);
		else if (option == 'g')
			settings.gap_ns = (uint64_t)(atof(optarg) * 1e6);
		else if (option == 'e')
			settings.output = optarg;
		else
			return 2;
	}
	settings.command = argv + optind;
	if (optind == argc || settings.count < 1 || settings.at_once < 1 ||
	    settings.at_once > AT_ONCE_MAX || !(settings.seconds > 0 && settings.seconds < 3600)) {
		(void)fprintf(stderr, "usage: spawn [-n COUNT] [-s SECONDS] [-p AT_ONCE] "
				      "[-g MILLISECONDS] [-e OUTPUT] -- COMMAND [ARG...]\n");
		return 2;
	}
	return run_all(&settings);
}
