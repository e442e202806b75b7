/*
 * What stint-zygote is given by stint-spawner at its exec: open descriptors and a command line.
 * spawner_zygote.c writes them, zygote_main.c reads them; nobody else starts a zygote.
 *
 *   stint-zygote --root DIR --stdlib DIR --roles N[,N...] --preload "NAMES" --hash-seed N
 *                --asyncio yes|no --pin-cores yes|no --scratch yes|no --landlock on|off
 *                --ids own|shared --log-level LEVEL
 *
 * All options are always there, in any order, each as two words.
 *   --root       the prepared, read-only tree, as a path in the zygote's own mount namespace. It
 *                is a locked mount: bind it onto itself (MS_BIND|MS_REC) before pivot_root. It
 *                holds the stdlib (its lib-dynload and config-* hidden), /usr/share/zoneinfo when
 *                the host has one, and empty /tmp and /dev; no proc, no sysfs, no device.
 *   --stdlib     the directory of the standard library; the same path inside and outside --root
 *   --roles      decimal enum cgroup_role bits, one number for each cgroup directory; the same
 *                order and numbers as in MESSAGE_GENERATION_STARTED. Up to CGROUP_DIRS_MAX numbers;
 *                none (rootless): an empty word
 *   --preload    the setting `preload`: module names separated by blanks; may be empty
 *   --hash-seed  the setting `hash_seed`, decimal
 *   --asyncio    the setting `asyncio`
 *   --pin-cores  the setting `pin_cores`
 *   --scratch    no: the setting `max_scratch_bytes` is 0; no worker of that class is ever made
 *   --landlock   on: a kernel without Landlock ends the zygote; off: workers go without it
 *   --ids        own: each worker has a uid of its own; shared (rootless): all are uid 1
 *   --log-level  the setting `log_level`: error warning info debug
 *
 * At the exec the zygote is: uid and gid 0 of a new user namespace that maps uid_count ids from 0
 * on, no supplementary groups (rootless: uid and gid 1, which are the user's outside, with his
 * groups and an ambient set of capabilities), all capabilities of that namespace, pid 1 of a new
 * pid namespace, in new (unchanged) mount, net, ipc and uts namespaces, host name "stint", in its
 * cgroups, PDEATHSIG SIGKILL, signals at their defaults and unblocked, RLIMIT_STACK =
 * MAIN_STACK_BYTES, RLIMIT_CORE 0, umask 022, environment LC_ALL=C.UTF-8 only, working directory
 * "/". It sets no_new_privs itself.
 */
#ifndef STINT_WORKER_ZYGOTE_ARGS_H
#define STINT_WORKER_ZYGOTE_ARGS_H

/* 0 is /dev/null, 1 and 2 are the spawner's standard error. */
enum zygote_args_fd {
	ZYGOTE_ARGS_FD_LINK = 3, /* zygote link, SOCK_SEQPACKET */
	/* This and the next: one cgroup directory gen-<n> per --roles number, opened
	 * O_RDONLY|O_DIRECTORY. No descriptor above the last is open. */
	ZYGOTE_ARGS_FD_DIRS = 4,
};

#define ZYGOTE_ARGS_ROOT      "--root"
#define ZYGOTE_ARGS_STDLIB    "--stdlib"
#define ZYGOTE_ARGS_ROLES     "--roles"
#define ZYGOTE_ARGS_PRELOAD   "--preload"
#define ZYGOTE_ARGS_HASH_SEED "--hash-seed"
#define ZYGOTE_ARGS_ASYNCIO   "--asyncio"
#define ZYGOTE_ARGS_PIN_CORES "--pin-cores"
#define ZYGOTE_ARGS_SCRATCHES "--scratch"
#define ZYGOTE_ARGS_LANDLOCK  "--landlock"
#define ZYGOTE_ARGS_IDS       "--ids"
#define ZYGOTE_ARGS_LOG_LEVEL "--log-level"

/* Inside, of the zygote and all its workers, when they share an account. */
#define ZYGOTE_ARGS_SHARED_UID 1

/* Exit codes of a zygote: at the start (its log says what), or a breach on its link. */
#define ZYGOTE_ARGS_EXIT_SETUP    121
#define ZYGOTE_ARGS_EXIT_PROTOCOL 122

/* Empty directory of the prepared tree: a worker with a scratch directory mounts it there. */
#define ZYGOTE_ARGS_SCRATCH "/scratch"

#endif
