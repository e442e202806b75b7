/*
 * Runs a small program as a worker would, by python_host_run() itself, with pages and output of its
 * own. Nobody reads what comes of it. Called by python_host.c.
 */
#define _GNU_SOURCE
#include "worker/zygote_trial.h"

#include "protocol/base_sys.h"
#include "protocol/pack.h"
#include "worker/python_host.h"
#include "worker/python_job.h"
#include "worker/python_rehearse.h"
#include "worker/zygote_touch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIAL_BLOB_BYTES 4096u

struct trial {
	struct worker_terms terms;
	struct worker_page *page;
	struct pack blob;
};

/* In the child. stdin is empty, output goes where no job's does. */
static void
trial_live(void *context)
{
	struct trial *trial = context;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = memfd_create("stint-trial", MFD_CLOEXEC);

	if (null < 0 || out < 0 || fcntl(out, F_SETFL, O_APPEND) < 0 || dup2(null, 0) < 0 ||
	    dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(1);
	python_host_wake();
	if (python_host_run(&trial->terms, trial->page, trial->page, NULL, trial->blob.bytes,
			    trial->blob.size) != 0)
		_exit(1);
}

/* What every job does, after `before`. Whether faults are cheap; see zygote_touch_learn. */
static bool
trial_run(struct trial *trial, const char *before)
{
	char source[TRIAL_BLOB_BYTES / 2];
	bool cheap;

	(void)snprintf(source, sizeof(source), "%sprint(6 * 7)\n", before);
	pack_init(&trial->blob, TRIAL_BLOB_BYTES);
	pack_put(&trial->blob, JOB_SOURCE, source, strlen(source));
	pack_put(&trial->blob, JOB_NAME, PYTHON_JOB_NAME, strlen(PYTHON_JOB_NAME));
	trial->terms.blob_bytes = trial->blob.size;
	python_host_before_fork();
	cheap = zygote_touch_learn(trial_live, trial);
	python_host_after_fork_parent();
	pack_deinit(&trial->blob);
	return cheap;
}

/*
 * A page that is copied ahead costs a job nothing while it is waited for, but costs a busy machine
 * as much as any. Where faults are cheap, only what each job needs is copied ahead; where one costs
 * many times what the copying does, what most programs need too.
 */
void
zygote_trial(void)
{
	struct trial trial = {.terms = {.magic = WORKER_TERMS_MAGIC}};

	limits_defaults(&trial.terms.limits);
	trial.page = mmap(NULL, PAGE_FILE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (trial.page == MAP_FAILED)
		return;
	if (!trial_run(&trial, ""))
		(void)trial_run(&trial, PYTHON_REHEARSE_SOURCE);
	(void)munmap(trial.page, PAGE_FILE_BYTES);
}
