/*
 * Runs a small program as a worker would, by python_host_run() itself, with pages and output of its
 * own. Nobody reads what comes of it. Called by python_host.c.
 */
#define _GNU_SOURCE
#include "worker/zygote_trial.h"

#include "protocol/base_sys.h"
#include "protocol/pack.h"
#include "worker/python_host.h"
#include "worker/python_rehearse.h"
#include "worker/zygote_touch.h"

#include <fcntl.h>
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
	python_host_after_fork();
	if (python_host_run(&trial->terms, trial->page, trial->page, NULL, trial->blob.bytes,
			    trial->blob.size) != 0)
		_exit(1);
}

void
zygote_trial(void)
{
	struct trial trial = {.terms = {.magic = WORKER_TERMS_MAGIC}};
	char source[TRIAL_BLOB_BYTES / 2];

	limits_defaults(&trial.terms.limits);
	pack_init(&trial.blob, TRIAL_BLOB_BYTES);
	(void)snprintf(source, sizeof(source), "%sprint(len(z), 6 * 7)\n", PYTHON_REHEARSE_SOURCE);
	pack_put(&trial.blob, JOB_SOURCE, source, strlen(source));
	pack_put(&trial.blob, JOB_NAME, "main.py", strlen("main.py"));
	trial.terms.blob_bytes = trial.blob.size;
	trial.page = mmap(NULL, PAGE_FILE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (trial.page != MAP_FAILED && !trial.blob.failed) {
		python_host_before_fork();
		zygote_touch_learn(trial_live, &trial);
		python_host_after_fork_parent();
	}
	if (trial.page != MAP_FAILED)
		(void)munmap(trial.page, PAGE_FILE_BYTES);
	pack_deinit(&trial.blob);
}
