/*
 * Test-only host of the embedded interpreter: starts it as the zygote does and runs jobs in forks,
 * but without sandbox, cgroups or stintd. Driven by tests/functional/test_python_host.py over fd 0
 * and 1: one struct runner_request with its blob and stdin, one struct runner_answer with the
 * output. Every failure ends the program with a line on standard error.
 *
 *   python_runner [PRELOAD [STDLIB]]
 *
 * RUNNER_MAIN_FILE in the environment: what is made ready for jobs of that name, as in the zygote.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "protocol/worker_abi.h"
#include "worker/python_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNNER_PRELOAD                                                                             \
	"json re math random datetime collections itertools functools heapq bisect string "        \
	"decimal "                                                                                 \
	"fractions dataclasses typing enum"
#define RUNNER_STDLIB     "/usr/lib/python3.11"
#define RUNNER_REPEAT_MAX 10000

struct runner_request {
	uint32_t flags;  /* enum terms_flag */
	uint32_t repeat; /* runs; times are of all, the output of the last */
	uint64_t call_depth, value_bytes, stdout_bytes;
	uint64_t data_bytes; /* RLIMIT_DATA above the baseline, or 0 */
	uint64_t opcodes, opcodes_per_second;
	uint64_t blob_bytes, stdin_bytes;
};

struct runner_answer {
	int32_t wait_status;
	uint32_t reason, phase, detail;
	uint64_t result_bytes, stdout_bytes, stderr_bytes;
	uint64_t median_ns, p90_ns;
	uint64_t opcodes; /* counted */
};

struct runner {
	int in, out, saved_stdin;
	struct worker_page *page;          /* owned mapping of PAGE_FILE_BYTES */
	int stream_fds[PAGE_STREAM_COUNT]; /* as stintd makes them: O_APPEND memfds */
	struct worker_terms terms;
	uint64_t data_bytes;
	void *blob; /* owned */
};

static void
runner_die(const struct error *err)
{
	fprintf(stderr, "python_runner: %s\n", err->text);
	exit(2);
}

static uint64_t
runner_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* RLIMIT_DATA above what this process has now: field 6 of statm, in pages. */
static void
runner_limit_data(uint64_t bytes)
{
	unsigned long pages[6] = {0};
	struct rlimit limit;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%lu %lu %lu %lu %lu %lu", &pages[0], &pages[1], &pages[2],
				   &pages[3], &pages[4], &pages[5]) != 6)
		_exit(WORKER_EXIT_SETUP);
	(void)fclose(file);
	limit.rlim_cur = limit.rlim_max = pages[5] * 4096ul + bytes;
	if (setrlimit(RLIMIT_DATA, &limit) < 0)
		_exit(WORKER_EXIT_SETUP);
}

static void
runner_child(struct runner *runner)
{
	if (dup2(runner->saved_stdin, 0) < 0 ||
	    dup2(runner->stream_fds[PAGE_STREAM_STDOUT], 1) < 0 ||
	    dup2(runner->stream_fds[PAGE_STREAM_STDERR], 2) < 0 || close_range(3, ~0u, 0) < 0)
		_exit(WORKER_EXIT_SETUP);
	if (runner->data_bytes > 0)
		runner_limit_data(runner->data_bytes);
	python_host_after_fork();
	_exit(python_host_run(&runner->terms, runner->page, runner->page, NULL, runner->blob,
			      runner->terms.blob_bytes));
}

static uint64_t
runner_fork(struct runner *runner, int32_t *ret_status)
{
	uint64_t start;
	int status = 0;
	pid_t pid;

	if (ftruncate(runner->stream_fds[PAGE_STREAM_STDOUT], 0) < 0 ||
	    ftruncate(runner->stream_fds[PAGE_STREAM_STDERR], 0) < 0)
		exit(2);
	(void)lseek(runner->saved_stdin, 0, SEEK_SET);
	memset(runner->page, 0, PAGE_MAPPED_BYTES);
	runner->page->phase = PHASE_TERMS;
	start = runner_now_ns();
	python_host_before_fork();
	pid = fork();
	if (pid == 0)
		runner_child(runner);
	python_host_after_fork_parent();
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(2);
	*ret_status = status;
	return runner_now_ns() - start;
}

static int
runner_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void *
runner_read(int fd, uint64_t size)
{
	struct error err = ERROR_INIT;
	void *bytes = malloc(size + 1);

	if (bytes == NULL)
		exit(2);
	if (size > 0 && base_read_full(fd, bytes, size, &err) < 0)
		runner_die(&err);
	return bytes;
}

static void
runner_set_terms(struct runner *runner, const struct runner_request *request)
{
	struct worker_terms *terms = &runner->terms;

	memset(terms, 0, sizeof(*terms));
	terms->magic = WORKER_TERMS_MAGIC;
	terms->flags = request->flags;
	terms->blob_bytes = request->blob_bytes;
	limits_defaults(&terms->limits);
	terms->limits.call_depth = request->call_depth;
	terms->limits.value_bytes = request->value_bytes;
	terms->limits.stdout_bytes = request->stdout_bytes;
	terms->limits.opcodes = request->opcodes;
	terms->limits.opcodes_per_second = request->opcodes_per_second;
	runner->data_bytes = request->data_bytes;
}

static uint64_t
runner_file_size(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	return size < 0 ? 0 : (uint64_t)size;
}

static void
runner_write(int fd, const void *bytes, uint64_t size)
{
	struct error err = ERROR_INIT;

	if (size > 0 && base_write_full(fd, bytes, size, &err) < 0)
		runner_die(&err);
}

/* What the file holds, then what the stage holds: as stintd collects it. */
static uint64_t
runner_stream_size(struct runner *runner, enum page_stream stream)
{
	uint64_t levels = runner->page->stages[stream].levels;

	return runner_file_size(runner->stream_fds[stream]) + STAGE_BUFFER_OF(levels) +
	       STAGE_TEXT_OF(levels);
}

static void
runner_write_stream(struct runner *runner, enum page_stream stream)
{
	uint64_t size = runner_file_size(runner->stream_fds[stream]);
	uint64_t levels = runner->page->stages[stream].levels;
	const char *base = (const char *)runner->page;
	void *bytes = NULL;

	if (size > 0)
		bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, runner->stream_fds[stream], 0);
	if (bytes == MAP_FAILED)
		exit(2);
	runner_write(runner->out, bytes, size);
	if (size > 0)
		(void)munmap(bytes, size);
	runner_write(runner->out, base + PAGE_BUFFER_OFFSET(stream), STAGE_BUFFER_OF(levels));
	runner_write(runner->out, base + PAGE_TEXT_OFFSET(stream), STAGE_TEXT_OF(levels));
}

static void
runner_answer(struct runner *runner, struct runner_answer *answer)
{
	const struct worker_page *page = runner->page;

	answer->reason = page->reason;
	answer->phase = page->phase;
	answer->detail = page->detail;
	answer->opcodes = (uint64_t)(page->meter.granted - page->meter.left);
	answer->result_bytes = page->result_bytes;
	answer->stdout_bytes = runner_stream_size(runner, PAGE_STREAM_STDOUT);
	answer->stderr_bytes = runner_stream_size(runner, PAGE_STREAM_STDERR);
	runner_write(runner->out, answer, sizeof(*answer));
	runner_write_stream(runner, PAGE_STREAM_STDOUT);
	runner_write_stream(runner, PAGE_STREAM_STDERR);
	runner_write(runner->out, (const char *)page + PAGE_RESULT_OFFSET, page->result_bytes);
}

static void
runner_job(struct runner *runner, const struct runner_request *request)
{
	static uint64_t times[RUNNER_REPEAT_MAX];
	uint32_t repeat = request->repeat < RUNNER_REPEAT_MAX ? request->repeat : RUNNER_REPEAT_MAX;
	struct runner_answer answer;
	void *input;

	memset(&answer, 0, sizeof(answer));
	runner_set_terms(runner, request);
	runner->blob = runner_read(runner->in, request->blob_bytes);
	input = runner_read(runner->in, request->stdin_bytes);
	runner->saved_stdin = memfd_create("stdin", MFD_CLOEXEC);
	runner_write(runner->saved_stdin, input, request->stdin_bytes);
	free(input);
	for (uint32_t i = 0; i < repeat; i++)
		times[i] = runner_fork(runner, &answer.wait_status);
	qsort(times, repeat, sizeof(times[0]), runner_compare);
	answer.median_ns = times[repeat / 2];
	answer.p90_ns = times[repeat * 9 / 10];
	runner_answer(runner, &answer);
	base_close(&runner->saved_stdin);
	free(runner->blob);
}

static void
runner_open(struct runner *runner)
{
	struct error err = ERROR_INIT;
	int page_fd, null;

	runner->in = fcntl(0, F_DUPFD_CLOEXEC, 3);
	runner->out = fcntl(1, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (runner->in < 0 || runner->out < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
		exit(2);
	if (base_memfd("page", PAGE_FILE_BYTES, &page_fd, &err) < 0 ||
	    base_memfd("stdout", 0, &runner->stream_fds[PAGE_STREAM_STDOUT], &err) < 0 ||
	    base_memfd("stderr", 0, &runner->stream_fds[PAGE_STREAM_STDERR], &err) < 0)
		runner_die(&err);
	runner->page = mmap(NULL, PAGE_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	if (runner->page == MAP_FAILED)
		exit(2);
}

int
main(int argc, char **argv)
{
	struct python_host_options options = {.stdlib = argc > 2 ? argv[2] : RUNNER_STDLIB,
					      .preload = argc > 1 ? argv[1] : RUNNER_PRELOAD,
					      .main_file = getenv("RUNNER_MAIN_FILE"),
					      .hash_seed = 0};
	struct error err = ERROR_INIT;
	struct runner_request request;
	struct runner runner;

	memset(&runner, 0, sizeof(runner));
	runner_open(&runner);
	if (python_host_start(&options, &err) < 0)
		runner_die(&err);
	while (base_read_full(runner.in, &request, sizeof(request), &err) == 0)
		runner_job(&runner, &request);
	return err.code == ERROR_CLOSED ? 0 : 2;
}
