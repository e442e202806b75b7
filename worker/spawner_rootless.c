/*
 * The rootless mode: a user namespace around the service in place of root's rights.
 *
 * The spawner maps nothing but its own uid and gid, to themselves: so it may mount and make
 * namespaces, stintd stays the user with no rights, and a zygote's namespace can have one id only,
 * which all its workers share. The kernel lets nobody in there change supplementary groups: they
 * stay with all processes. Control groups are used when a part of the unified tree was given to the
 * user. All else is done as for root; the proof of
 * each generation (spawner_layers.c, zygote_proof.c) finds what is missing, and stintd reports it.
 *
 * Called by spawner_main.c and spawner_zygote.c. Never chosen in the place of a failed start as
 * root. Fails with the remedy; the caller ends.
 */
#define _GNU_SOURCE
#include "worker/spawner_rootless.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "worker/spawner_preflight.h"
#include "worker/zygote_args.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
spawner_rootless_choose(struct spawner *spawner, struct error *err)
{
	if (geteuid() == 0)
		return 0;
	if (config_number(&spawner->config, isolation) != ISOLATION_DEVELOPMENT)
		return error_set(
		    err, ERROR_PERMISSION,
		    "root is needed, to make accounts of workers and control groups (remedy: sudo, "
		    "or the systemd unit; for development only, with workers that share your "
		    "account and without control groups: --set isolation=development)");
	spawner->rootless = true;
	return 0;
}

int
spawner_rootless_account(uid_t *ret_uid, gid_t *ret_gid, bool *ret_fallback)
{
	*ret_uid = geteuid();
	*ret_gid = getegid();
	*ret_fallback = false;
	return 0;
}

int
spawner_rootless_forbidden(int sys, struct error *err)
{
	errno = sys;
	return error_errno(err,
			   "an ordinary user may not make namespaces here (remedy: sysctl -w "
			   "kernel.unprivileged_userns_clone=1, "
			   "kernel.apparmor_restrict_unprivileged_userns=0, or the container's "
			   "seccomp profile; or start the service as root)");
}

static int
spawner_rootless_write(const char *path, const char *text, struct error *err)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? error_errno(err, "open") : base_write_full(fd, text, strlen(text), err);

	return rc < 0 ? error_wrap(err, "rootless: cannot write %s", path) : 0;
}

int
spawner_rootless_enter(const struct spawner *spawner, struct error *err)
{
	char uids[48], gids[48];
	int rc;

	log_warning(
	    "spawner",
	    "ROOTLESS, for development only: uid %u runs this service. All workers share "
	    "that account and its groups; %s. Do not run code here that you would not "
	    "run yourself",
	    (unsigned)spawner->uid,
	    spawner->trees.count == 0
		? "there are no control groups, so a job's memory, CPU time and threads are "
		  "bounded by rlimits alone"
		: "control groups see to what was delegated and no more");
	(void)snprintf(uids, sizeof(uids), "%u %u 1\n", (unsigned)spawner->uid,
		       (unsigned)spawner->uid);
	(void)snprintf(gids, sizeof(gids), "%u %u 1\n", (unsigned)spawner->gid,
		       (unsigned)spawner->gid);
	if (unshare(CLONE_NEWUSER) < 0)
		return errno == EPERM || errno == EACCES
			   ? spawner_rootless_forbidden(errno, err)
			   : spawner_preflight_explain(errno, "/proc/sys/user", err);
	rc = spawner_rootless_write("/proc/self/setgroups", "deny", err);
	if (rc == 0)
		rc = spawner_rootless_write("/proc/self/uid_map", uids, err);
	if (rc == 0)
		rc = spawner_rootless_write("/proc/self/gid_map", gids, err);
	return rc;
}

void
spawner_rootless_plan(const struct spawner *spawner, struct spawner_exec *plan)
{
	plan->map_inside = ZYGOTE_ARGS_SHARED_UID;
	plan->map_base = spawner->uid;
	plan->map_gid_base = spawner->gid;
	plan->map_count = 1;
	plan->uid = ZYGOTE_ARGS_SHARED_UID;
	plan->gid = ZYGOTE_ARGS_SHARED_UID;
	plan->keep_groups = true;
	plan->keep_capabilities = true;
}
