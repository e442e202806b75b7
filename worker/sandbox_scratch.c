/*
 * The two steps that give a worker of the scratch class its directory: one tmpfs, mounted in the
 * worker's own mount namespace (it was cloned with one), so that no other process sees it and it
 * goes when the worker goes.
 *
 * The mount comes after the leaf is entered, so that its pages are the job's, and before the
 * capabilities go, which it needs; the directory is the worker's alone, so it is entered after the
 * change of ids. Sizes are numbers of stintd's that the zygote has checked; no tenant byte
 * is near. A plain worker passes by both. Never allocates. Fails by -errno; the caller
 * names the step and ends.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include "worker/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define OPTIONS_BYTES 96

int
sandbox_scratch_mount(struct sandbox *sandbox)
{
	char options[OPTIONS_BYTES];

	if (sandbox->scratch_bytes == 0)
		return 0;
	/* One inode more: the directory itself. */
	(void)snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0700,uid=%u,gid=%u",
		       (unsigned long long)sandbox->scratch_bytes,
		       (unsigned long long)sandbox->scratch_files + 1, (unsigned)sandbox->uid,
		       (unsigned)sandbox->uid);
	return mount("scratch", SCRATCH_PATH, "tmpfs", SANDBOX_SCRATCH_MOUNT_FLAGS, options) < 0
		   ? -errno
		   : 0;
}

int
sandbox_scratch_enter(struct sandbox *sandbox)
{
	if (sandbox->scratch_bytes == 0)
		return 0;
	return chdir(SCRATCH_PATH) < 0 ? -errno : 0;
}
