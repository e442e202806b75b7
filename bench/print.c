/*
 * What a print costs: the same programs through the shared stage and under /usr/bin/python3 writing
 * into a pipe that is read all the time. Each program times itself, without the interpreter's
 * start. Usage: worker/bench_print [rounds]. Prints the best of the rounds. A measurement, not a
 * test: it asserts nothing and aborts when it cannot run.
 */
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "worker/python_output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS   7
#define PROLOGUE "import sys, time\nt = time.perf_counter()\n"
#define EPILOGUE                                                                                   \
	"sys.stdout.flush()\n"                                                                     \
	"t = time.perf_counter() - t\n"                                                            \
	"sys.stderr.write('%.3f\\n' % (t * 1e6 / N))\n"
#define LOOP(statement) "N = 200000\n" PROLOGUE "for i in range(N): " statement "\n" EPILOGUE

static const char *const PROGRAMS[][2] = {
    {"200,000 x print(i)", LOOP("print(i)")},
    {"200,000 x print('text', i, ..., sep)", LOOP("print('text', i, 'more', sep='-')")},
    {"200,000 x sys.stdout.write(line)", LOOP("sys.stdout.write('a line of text\\n')")},
    {"200,000 x print(not ASCII)", LOOP("print('\\u043f\\u0440\\u0438')")},
    {"20 x print of 1 MB",
     "N = 20\ns = 'x' * 1000000\n" PROLOGUE "for i in range(N): print(s)\n" EPILOGUE},
};

static double
read_time(int fd)
{
	char text[64] = {0};
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	require(size > 0);
	return strtod(text, NULL);
}

static void
drain(int fd)
{
	static char bytes[65536];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static double
run_python3(const char *source)
{
	char *const environment[] = {(char[]){"LC_ALL=C.UTF-8"}, NULL};
	struct error err = ERROR_INIT;
	int pipe_fds[2], errors = -1;
	double time;
	pid_t pid;

	require(base_memfd("err", 0, &errors, &err) == 0);
	require(pipe(pipe_fds) == 0);
	pid = fork();
	require(pid >= 0);
	if (pid == 0) {
		require(dup2(pipe_fds[1], 1) == 1 && dup2(errors, 2) == 2);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		execle("/usr/bin/python3", "python3", "-I", "-c", source, (char *)NULL,
		       environment);
		_exit(127);
	}
	close(pipe_fds[1]);
	drain(pipe_fds[0]);
	close(pipe_fds[0]);
	require(waitpid(pid, NULL, 0) == pid);
	time = read_time(errors);
	base_close(&errors);
	return time;
}

static double
run_stage(const char *source)
{
	struct worker_terms terms = {0};
	struct error err = ERROR_INIT;
	int out = -1, errors = -1;
	double time;
	void *base;
	pid_t pid;

	base = mmap(NULL, PAGE_MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	require(base != MAP_FAILED);
	require(base_memfd("out", 0, &out, &err) == 0 && base_memfd("err", 0, &errors, &err) == 0);
	pid = fork();
	require(pid >= 0);
	if (pid == 0) {
		require(dup2(out, 1) == 1 && dup2(errors, 2) == 2);
		terms.limits.stdout_bytes = terms.limits.stderr_bytes = 64u << 20;
		PyOS_AfterFork_Child();
		require(python_output_install(base, base, &terms, &err) == 0);
		(void)PyRun_SimpleString(source);
		_exit(0);
	}
	require(waitpid(pid, NULL, 0) == pid);
	time = read_time(errors);
	base_close(&out);
	base_close(&errors);
	munmap(base, PAGE_MAPPED_BYTES);
	return time;
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	struct error err = ERROR_INIT;
	PyConfig config;

	PyConfig_InitIsolatedConfig(&config);
	require(!PyStatus_Exception(Py_InitializeFromConfig(&config)));
	PyConfig_Clear(&config);
	require(python_output_prepare(&err) == 0);
	printf("%-38s %10s %10s   microseconds each\n", "", "python3", "stage");
	for (size_t i = 0; i < sizeof(PROGRAMS) / sizeof(PROGRAMS[0]); i++) {
		double best[2] = {1e9, 1e9};

		fflush(stdout);
		for (int round = 0; round < rounds; round++) {
			double a = run_python3(PROGRAMS[i][1]), b = run_stage(PROGRAMS[i][1]);

			best[0] = a < best[0] ? a : best[0];
			best[1] = b < best[1] ? b : best[1];
		}
		printf("%-38s %10.3f %10.3f\n", PROGRAMS[i][0], best[0], best[1]);
	}
	return 0;
}
