/*
 * Makes and unmakes what stintd holds of a worker. Makes no decision about it (pool.c) and reads
 * none of its results (collect.c). On failure everything made so far is undone, the leaf too.
 */
#include "daemon/worker.h"

#include "daemon/page_read.h"
#include "protocol/base_sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED). */
#define WORKER_CPU_CLOCK(pid) ((clockid_t)(((~(unsigned)(pid)) << 3) | 2u))

struct worker_kind
worker_kind_of(const struct limits *limits)
{
	if (limits->scratch_bytes == 0)
		return (struct worker_kind){0, 0};
	return (struct worker_kind){limits->scratch_bytes, limits->scratch_files};
}

bool
worker_kind_equal(struct worker_kind a, struct worker_kind b)
{
	return a.scratch_bytes == b.scratch_bytes && a.scratch_files == b.scratch_files;
}

bool
worker_kind_is_plain(struct worker_kind kind)
{
	return kind.scratch_bytes == 0;
}

enum worker_class
worker_kind_class(struct worker_kind kind)
{
	return worker_kind_is_plain(kind) ? WORKER_CLASS_PLAIN : WORKER_CLASS_SCRATCH;
}

void
worker_greet(struct worker *worker, pid_t pid)
{
	worker->pid = pid;
	worker->cpu_clock = WORKER_CPU_CLOCK(pid);
}

static int
worker_make_fds(struct worker *worker, int *ret_fds, struct error *err)
{
	int code = worker_link_open(&worker->channel, &ret_fds[FORK_FD_CHANNEL], err);
	/* An open file for each: flags and locks of one would tell others of its job. */
	if (code == 0) {
		ret_fds[FORK_FD_STDIN] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (ret_fds[FORK_FD_STDIN] < 0)
			code = error_errno(err, "/dev/null");
	}
	if (code == 0)
		code = base_memfd("stint-stdout", 0, &worker->out_fd, err);
	if (code == 0)
		code = base_memfd("stint-stderr", 0, &worker->err_fd, err);
	if (code == 0)
		code = base_memfd("stint-page", PAGE_FILE_BYTES, &worker->page_fd, err);
	ret_fds[FORK_FD_STDOUT] = worker->out_fd;
	ret_fds[FORK_FD_STDERR] = worker->err_fd;
	ret_fds[FORK_FD_PAGE] = worker->page_fd;
	return code;
}

int
worker_new(uint64_t serial, uint32_t uid, unsigned slot, struct leaf_root *root,
	   struct worker **ret_worker, int *ret_fds, struct error *err)
{
	struct limits limits;
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return error_errno(err, "memory for a worker");
	worker->serial = serial;
	worker->uid = uid;
	worker->slot = slot;
	worker->state = WORKER_STARTING;
	worker->channel = worker->pidfd = worker->out_fd = worker->err_fd = worker->page_fd = -1;
	worker->code_fd = -1;
	worker->cpu_clock = -1;
	leaf_init(&worker->leaf);
	int code = leaf_take(&worker->leaf, root, serial, err);
	/* While it waits: what a job with the built-in limits gets, so that those cost no write. */
	limits_defaults(&limits);
	if (code == 0)
		code = leaf_limit(&worker->leaf, leaf_memory_bytes(&limits), limits.threads, err);
	ret_fds[FORK_FD_CHANNEL] = ret_fds[FORK_FD_STDIN] = -1;
	if (code == 0)
		code = worker_make_fds(worker, ret_fds, err);
	if (code < 0) {
		base_close(&ret_fds[FORK_FD_CHANNEL]);
		base_close(&ret_fds[FORK_FD_STDIN]);
		leaf_close(&worker->leaf);
		(void)leaf_remove(root, worker->leaf.serial, &worker->leaf.made, NULL);
		worker_free(&worker);
		return code;
	}
	*ret_worker = worker;
	return 0;
}

void
worker_drop_files(struct worker *worker)
{
	base_close(&worker->out_fd);
	base_close(&worker->err_fd);
	base_close(&worker->page_fd);
	base_close(&worker->code_fd);
}

void
worker_free(struct worker **worker)
{
	struct worker *gone = *worker;
	if (!gone)
		return;
	*worker = NULL;
	worker_link_unwatch(&gone->watch);
	list_remove(&gone->link);
	base_close(&gone->channel);
	base_close(&gone->pidfd);
	worker_drop_files(gone);
	leaf_close(&gone->leaf);
	free(gone);
}

const char *
worker_setup_text(const struct worker *worker, char *text, size_t size)
{
	struct worker_page page;
	(void)page_read(worker->page_fd, &page, NULL);
	return page_setup_text(&page, text, size);
}
