/*
 * Plays one job of the engine's tests (fake_zygote.h has the commands). Runs in a process of its
 * own and ends it.
 */
#include "config.h"

#include "fake_worker.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "protocol/message.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_stage {
	int channel, page_fd;
	int code_fd;          /* -1: the code is not asked for */
	const uint8_t *given; /* compiled code that came with the job, or NULL */
	size_t given_size;
	struct worker_page *page;
	struct worker_terms terms;
};

static void
fake_leave_result(struct fake_stage *stage, const char *json, bool whole)
{
	struct pack pack;
	pack_init(&pack, RESULT_BYTES_MAX);
	pack_put(&pack, RESULT_VALUE, json, strlen(json));
	size_t size = whole ? pack.size : pack.size - 1;
	require(base_pwrite_full(stage->page_fd, pack.bytes, size, PAGE_RESULT_OFFSET, NULL) == 0);
	__atomic_store_n(&stage->page->result_bytes, size, __ATOMIC_RELEASE);
	if (whole)
		__atomic_store_n(&stage->page->phase, PHASE_ENDED, __ATOMIC_RELEASE);
	pack_deinit(&pack);
}

/* As if it had compiled; with a size that it claims, or that of the text. */
static void
fake_leave_code(const struct fake_stage *stage, const char *text, uint64_t claimed)
{
	struct worker_code head = {claimed != 0 ? claimed : strlen(text)};
	if (stage->code_fd < 0)
		return;
	require(base_pwrite_full(stage->code_fd, text, strlen(text), CODE_OFFSET, NULL) == 0);
	require(base_pwrite_full(stage->code_fd, &head, sizeof(head), 0, NULL) == 0);
}

static void
fake_copy_stdin(void)
{
	char bytes[4096];
	ssize_t got;
	while ((got = read(0, bytes, sizeof(bytes))) > 0)
		require(write(1, bytes, (size_t)got) == got);
}

/* Nobody continues it: it is killed. */
static void
fake_stop(struct fake_stage *stage, uint32_t ended)
{
	__atomic_store_n(&stage->page->ended, ended, __ATOMIC_RELEASE);
	for (;;)
		(void)kill(getpid(), SIGSTOP);
}

static void
fake_command(struct fake_stage *stage, char *command)
{
	char *argument = strchr(command, ' ');
	if (argument)
		*argument++ = 0;
	else
		argument = command + strlen(command);
	if (!strcmp(command, "out"))
		require(base_write_full(1, argument, strlen(argument), NULL) == 0);
	else if (!strcmp(command, "err"))
		require(base_write_full(2, argument, strlen(argument), NULL) == 0);
	else if (!strcmp(command, "stdin"))
		fake_copy_stdin();
	else if (!strcmp(command, "core"))
		require(dprintf(1, "%llu", (unsigned long long)stage->terms.core) > 0);
	else if (!strcmp(command, "exit"))
		_exit(atoi(argument));
	else if (!strcmp(command, "ends") && stage->terms.flags & TERMS_STOPS)
		fake_stop(stage, 1u + (uint32_t)atoi(argument));
	else if (!strcmp(command, "ends"))
		_exit(atoi(argument));
	else if (!strcmp(command, "claims"))
		fake_stop(stage, (uint32_t)strtoul(argument, NULL, 0));
	else if (!strcmp(command, "signal"))
		(void)kill(getpid(), atoi(argument));
	else if (!strcmp(command, "leave"))
		fake_leave_code(stage, argument, 0);
	else if (!strcmp(command, "claim"))
		fake_leave_code(stage, "x", strtoull(argument, NULL, 0));
	else if (!strcmp(command, "given"))
		require(base_write_full(1, stage->given, stage->given_size, NULL) == 0);
	else if (!strcmp(command, "asked"))
		require(base_write_full(1, stage->code_fd < 0 ? "no" : "yes",
					stage->code_fd < 0 ? 2 : 3, NULL) == 0);
	else if (!strcmp(command, "spin"))
		for (volatile unsigned i = 0;; i++)
			;
	else if (!strcmp(command, "count"))
		stage->page->meter = (struct page_meter){.granted = atoi(argument)};
	else if (!strcmp(command, "pause"))
		for (;;)
			(void)pause();
	else if (!strcmp(command, "value"))
		fake_leave_result(stage, argument, true);
	else if (!strcmp(command, "half"))
		fake_leave_result(stage, "12345", false);
	else if (!strcmp(command, "speak"))
		(void)send(stage->channel, "x", 1, MSG_NOSIGNAL);
	else if (!strcmp(command, "rubbish")) {
		fake_leave_result(stage, "{", true);
	} else if (!strcmp(command, "forge")) {
		stage->page->phase = PHASE_TERMS;
		stage->page->setup_step = 3;
		_exit(WORKER_EXIT_SETUP);
	}
}

static char *
fake_read_job(struct fake_stage *stage, int blob_fd)
{
	struct pack_reader reader;
	struct pack_field field;
	size_t size = stage->terms.blob_bytes;
	char *blob = malloc(size + 1);
	require(blob);
	if (blob_fd >= 0) {
		char start[2];
		require(base_read_full(blob_fd, blob, size, NULL) == 0);
		require(recv(stage->channel, start, sizeof(start), 0) == 1);
		require(start[0] == WORKER_START_BYTE);
	} else
		require(recv(stage->channel, blob, size + 1, 0) == (ssize_t)size);
	stage->page->phase = PHASE_RUNNING;
	char *source = NULL;
	pack_reader_init(&reader, blob, size);
	while (pack_next(&reader, &field, NULL) == 1) {
		if (field.tag == JOB_SOURCE)
			source = strndup((const char *)field.bytes, field.length);
		if (field.tag == JOB_COMPILED) {
			stage->given = field.bytes;
			stage->given_size = field.length;
		}
	}
	if (source)
		return source;
	_exit(4);
}

/* Take the terms; dies here when the test wants a worker that breaks. */
static int
fake_read_terms(struct fake_shared *shared, struct fake_stage *stage)
{
	int fds[3] = {-1, -1, -1}, blob_fd = -1;
	size_t size, fd_count = 0, next = 0;
	if (base_recv_fds(stage->channel, &stage->terms, sizeof(stage->terms), &size, fds, 3,
			  &fd_count, NULL, 0, NULL) < 0)
		_exit(0); /* stintd is gone */
	require(size == sizeof(stage->terms) && stage->terms.magic == WORKER_TERMS_MAGIC);
	stage->page->phase = PHASE_TERMS;
	if (shared->breaking_workers > 0) {
		shared->breaking_workers--;
		stage->page->setup_step = 2;
		stage->page->setup_errno = 1;
		strcpy(stage->page->setup_name, "fake step");
		_exit(WORKER_EXIT_SETUP);
	}
	if (stage->terms.flags & TERMS_STDIN_FD)
		require(dup2(fds[next++], 0) == 0);
	if (stage->terms.flags & TERMS_BLOB_FD)
		blob_fd = fds[next++];
	stage->code_fd = stage->terms.flags & TERMS_CODE_FD ? fds[next++] : -1;
	require(next == fd_count);
	return blob_fd;
}

void
fake_worker_main(struct fake_shared *shared, uint64_t serial, const int *fds)
{
	struct worker_hello hello = {WORKER_HELLO_MAGIC, WORKER_ABI_VERSION, serial};
	struct fake_stage stage = {.channel = fds[FORK_FD_CHANNEL], .page_fd = fds[FORK_FD_PAGE]};
	require(dup2(fds[FORK_FD_STDIN], 0) == 0);
	require(dup2(fds[FORK_FD_STDOUT], 1) == 1);
	require(dup2(fds[FORK_FD_STDERR], 2) == 2);
	void *page =
	    mmap(NULL, PAGE_MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, stage.page_fd, 0);
	require(page != MAP_FAILED);
	stage.page = page;
	if (shared->mute_workers > 0) {
		shared->mute_workers--;
		_exit(WORKER_EXIT_SETUP);
	}
	bool deaf = shared->deaf_workers > 0;
	if (deaf) { /* its end of the channel takes nothing more */
		shared->deaf_workers--;
		require(shutdown(stage.channel, SHUT_RD) == 0);
	}
	stage.page->phase = PHASE_READY;
	require(send(stage.channel, &hello, sizeof(hello), MSG_NOSIGNAL) == sizeof(hello));
	while (deaf)
		(void)pause();
	int blob_fd = fake_read_terms(shared, &stage);
	char *script = fake_read_job(&stage, blob_fd), *rest = script, *command;
	while ((command = strsep(&rest, ";")))
		fake_command(&stage, command);
	_exit(0);
}
