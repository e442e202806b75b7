/*
 * Internal messages of fixed size on SOCK_SEQPACKET sockets: one message is one datagram of exactly
 * sizeof(struct message) bytes. Requests are even, answers and reports odd. Every surprise (size,
 * type, number of descriptors, order) ends the receiver on the privileged side, and ends the link
 * on stintd's side.
 *
 * Three links:
 *   spawner link   stintd <-> stint-spawner  (made by the spawner, inherited by stintd)
 *   zygote link    stintd <-> stint-zygote   (made by the spawner, one per generation; stintd's end
 *                                             comes with MESSAGE_GENERATION_STARTED)
 *   worker channel stintd <-> worker         (made by stintd, worker's end goes with MESSAGE_FORK);
 *                                             its records are in worker_abi.h
 */
#ifndef STINT_PROTOCOL_MESSAGE_H
#define STINT_PROTOCOL_MESSAGE_H

#include <stdint.h>

#define MESSAGE_VERSION 4u

enum message_type {
	/* spawner link, stintd -> spawner */
	MESSAGE_DAEMON_READY = 2,     /* stintd serves; no body, no descriptors. Once. */
	MESSAGE_DAEMON_ALIVE = 8,     /* its loop turns; no body. After READY, every quarter of
					 the setting silence_max */
	MESSAGE_GENERATION_START = 4, /* body.generation.number: never used before, rising */
	MESSAGE_GENERATION_END = 6,   /* body.generation.number: kill what is left and remove it */
	MESSAGE_DAEMON_DRAIN = 10,    /* an operator wants a stop; no body. Once. See _DRAIN */
	/* spawner link, spawner -> stintd */
	MESSAGE_GENERATION_STARTED = 5, /* body.generation; descriptors: [0] zygote link, then one
					   directory per cgroup hierarchy as body.generation.roles
					   says; none when error != 0 */
	MESSAGE_GENERATION_ENDED = 7,   /* body.generation: asked for, or by itself (wait_status) */
	MESSAGE_DRAIN = 9,              /* service is stopping: take no new job, exit when done */
	MESSAGE_CONFIG = 11, /* the configuration was read again; no body. Descriptor: [0] a memory
				file of it, sealed against every change */
	/* zygote link, stintd -> zygote */
	MESSAGE_FORK = 20, /* body.fork; FORK_FD_COUNT descriptors in enum fork_fd order */
	MESSAGE_KILL = 22, /* body.worker.serial: without cgroup.kill, or of one that has STOPPED */
	/* zygote link, zygote -> stintd */
	MESSAGE_ZYGOTE_READY = 31, /* body.zygote; once, first */
	MESSAGE_FORKED = 21,       /* body.forked; descriptor: [0] pidfd when error == 0 */
	MESSAGE_EXITED = 23,       /* body.exited; the worker is reaped */
	MESSAGE_STOPPED = 27,      /* body.exited: for the first time all its threads are stopped */
	MESSAGE_ORPHAN = 25, /* a process ended that no FORK made: a worker has forked, so a layer
				of its generation does not hold. No body. Once. */
};

/* What a cgroup directory is good for: bits, since hierarchies can be mounted together. */
enum cgroup_role {
	CGROUP_ROLE_MEMORY = 1u << 0,
	CGROUP_ROLE_CPU = 1u << 1, /* usage accounting (v1: cpuacct) */
	CGROUP_ROLE_PIDS = 1u << 2,
	CGROUP_ROLE_KILL = 1u << 3,  /* unified tree with cgroup.kill */
	CGROUP_ROLE_V2 = 1u << 4,    /* v2 file names and CLONE_INTO_CGROUP; else v1 and `tasks` */
	CGROUP_ROLE_WEIGHT = 1u << 5 /* parts of the cores (v1: cpu); may be missing */
};
#define CGROUP_ROLES_ALL                                                                           \
	(CGROUP_ROLE_MEMORY | CGROUP_ROLE_CPU | CGROUP_ROLE_PIDS | CGROUP_ROLE_KILL)
#define CGROUP_ROLES_KNOWN (CGROUP_ROLES_ALL | CGROUP_ROLE_V2 | CGROUP_ROLE_WEIGHT)
#define CGROUP_DIRS_MAX    5
#define CGROUP_LEAF_FORMAT "w%llu" /* of a worker's serial: the leaf's name in each directory */

enum fork_fd {
	FORK_FD_CHANNEL,
	FORK_FD_STDIN,
	FORK_FD_STDOUT,
	FORK_FD_STDERR,
	FORK_FD_PAGE,
	FORK_FD_COUNT
};

/* Classes of workers: plain ones are kept ready; one with a scratch directory is made for a job. */
enum worker_class { WORKER_CLASS_PLAIN, WORKER_CLASS_SCRATCH, WORKER_CLASS_COUNT };

#define MESSAGE_UID_SHARED 1u

struct message_generation {
	uint64_t number;
	int32_t error;                   /* errno of a failed start, else 0 */
	int32_t wait_status;             /* GENERATION_ENDED: of the zygote */
	uint32_t dir_count;              /* GENERATION_STARTED */
	uint32_t roles[CGROUP_DIRS_MAX]; /* enum cgroup_role bits of each directory */
	/* Host uids that this generation's workers use; count MESSAGE_UID_SHARED: all are the one
	 * uid_base, and uid 1 inside. */
	uint32_t uid_base, uid_count;
	uint64_t layers; /* GENERATION_STARTED: those of ISOLATION_BY_SPAWNER that hold */
};

struct message_fork {
	uint64_t serial; /* of the worker: unique for this stintd, rising */
	uint32_t class;  /* enum worker_class */
	uint32_t uid;    /* inside the zygote's user namespace, 1 .. uid_count - 1 */
	/* SCRATCH: size of its tmpfs, within limits.def, scratch_bytes not 0. PLAIN: both 0. */
	uint64_t scratch_bytes, scratch_files;
	/* The serial that names its leaf: of a worker that is dead, or its own; 0: its own. */
	uint64_t leaf;
};

struct message_worker {
	uint64_t serial; /* one that is dead is no error */
};

struct message_forked {
	uint64_t serial;
	int32_t error; /* errno; 0: the child runs and will say hello on its channel */
	uint32_t pid;  /* in the zygote's pid namespace */
};

struct message_exited {
	uint64_t serial;
	int32_t exit_code;           /* -1 when it died by a signal, or STOPPED */
	int32_t signal;              /* that it died by, or that stopped it; else 0 */
	uint64_t user_us, system_us; /* of the whole process, from the kernel */
	uint64_t max_rss_bytes;
	uint64_t minor_faults, major_faults;
};

struct message_zygote {
	uint32_t version;             /* MESSAGE_VERSION */
	uint32_t abi;                 /* WORKER_ABI_VERSION */
	uint64_t baseline_data_bytes; /* what RLIMIT_DATA counts of a fresh worker */
	uint64_t baseline_rss_bytes;  /* resident memory of the warm interpreter */
	uint64_t hash_seed;
	char python[64];   /* version text, NUL terminated */
	char meter_id[32]; /* of opcode counts: 16 hex digits, NUL terminated */
	uint64_t layers;   /* bits of enum isolation_layer that held in a worker made for proof */
};

struct message {
	uint32_t type;    /* enum message_type */
	uint32_t version; /* MESSAGE_VERSION */
	union {
		struct message_generation generation;
		struct message_fork fork;
		struct message_worker worker;
		struct message_forked forked;
		struct message_exited exited;
		struct message_zygote zygote;
		uint8_t bytes[184];
	} body;
};
_Static_assert(sizeof(struct message) == 192, "a message has one size on every link");

/* Zeroed message of that type. */
void message_init(struct message *ret_message, enum message_type type);
/* Name for logs; "unknown" when there is none. */
const char *message_name(uint32_t type);

#endif
