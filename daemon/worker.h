/*
 * stintd's side of one worker: its state, its descriptors, its shared page and its leaf.
 */
#ifndef STINT_DAEMON_WORKER_H
#define STINT_DAEMON_WORKER_H

#include "daemon/compiled.h"
#include "daemon/leaf.h"
#include "daemon/worker_link.h"
#include "protocol/base_list.h"
#include "protocol/error.h"
#include "protocol/message.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum worker_state {
	WORKER_STARTING, /* the zygote was asked for it */
	WORKER_READY,    /* forked and said hello */
	WORKER_BUSY,     /* has a job */
	WORKER_ENDED,    /* stopped after its job, and killed; not yet reaped */
	WORKER_DEAD,     /* reaped or given up; waits to be freed */
	WORKER_STATE_COUNT
};

/* What a worker was made for; equal kinds can take each other's jobs. */
struct worker_kind {
	uint64_t scratch_bytes, scratch_files; /* both 0: plain */
};

struct job;

struct worker {
	struct link link; /* in the pool's list of its state */
	enum worker_state state;
	uint64_t serial;
	uint64_t generation; /* number of */
	uint32_t uid;        /* inside the zygote's namespace */
	struct worker_kind kind;
	bool claimed;        /* SCRATCH: a waiting job is going to have it; see scratch_demand */
	unsigned slot;       /* of the watchdog */
	uint64_t born_ns;
	uint64_t killed_ns; /* when we killed it, not ready or ENDED; 0: not */
	int channel, pidfd, out_fd, err_fd, page_fd; /* owned, -1 when there is none */
	int code_fd; /* BUSY: where it leaves its job's compiled code; owned, -1: nowhere */
	struct compiled_key code_key; /* of that */
	struct leaf leaf;
	struct worker_watch *watch; /* owned while we wait for the hello */
	pid_t pid;                  /* on the host; 0 until the hello */
	clockid_t cpu_clock;        /* -1 until the hello */
	struct job *job;            /* BUSY: borrowed from the job lists */
	uint64_t cpu_start_ns;      /* BUSY: reading of cpu_clock when the job was handed over */
	uint16_t core;              /* BUSY, with pin_cores: number of the one it runs on */
	bool unsent;                /* BUSY: it was gone before all of the job was sent */
	bool stops;                 /* BUSY: it was asked to stop at its job's end */
	int32_t ended_code;         /* BUSY: what it would have exited with, as it has; or -1 */
};

/* The kind that a job with those limits needs. */
struct worker_kind worker_kind_of(const struct limits *limits);
bool worker_kind_equal(struct worker_kind a, struct worker_kind b);
bool worker_kind_is_plain(struct worker_kind kind);
enum worker_class worker_kind_class(struct worker_kind kind);

/*
 * Make all that a worker needs before its fork; ret_fds (FORK_FD_COUNT) are for the fork request:
 * the channel's end and stdin are the caller's to close after it, the others are the worker's.
 */
int worker_new(uint64_t serial, uint32_t uid, unsigned slot, struct leaf_root *root,
	       struct worker **ret_worker, int *ret_fds, struct error *err);
/* Of a dead worker whose result was read: close what it wrote to. Memory files without another
 * holder are gone, and are no longer charged to its leaf. */
void worker_drop_files(struct worker *worker);
/* Close, free. The leaf's directories stay: see leaf_remove. */
void worker_free(struct worker **worker);
/* Note the host pid from the hello. */
void worker_greet(struct worker *worker, pid_t pid);
/* Write to `text` what the page says of a set-up that failed: step and errno, cleaned. */
const char *worker_setup_text(const struct worker *worker, char *text, size_t size);

#endif
