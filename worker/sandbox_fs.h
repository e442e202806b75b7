/*
 * The root of the zygote and of all its workers: the prepared tree and nothing else.
 */
#ifndef STINT_WORKER_SANDBOX_FS_H
#define STINT_WORKER_SANDBOX_FS_H

#include "protocol/error.h"

/*
 * Make `root` the root of this mount namespace, drop everything else, and prove it: every mount
 * that is left must be read-only, nosuid, nodev and noexec. proc_fd: the host's /proc, opened
 * before; used for the proof. Needs CAP_SYS_ADMIN in a mount namespace of its own. On failure the
 * process must end.
 */
int sandbox_fs_enter(const char *root, int proc_fd, struct error *err);
/* Check one line of mountinfo against those rules. For sandbox_fs_enter and its test. */
int sandbox_fs_check_mount(char *line, struct error *err);

#endif
