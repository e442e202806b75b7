/*
 * What `stint doctor` looks at on the machine: a table of checks (client_doctor_checks.def) that
 * read files below a root, so that tests can give them a machine of their own.
 */
#ifndef STINT_CLIENT_CLIENT_DOCTOR_CHECK_H
#define STINT_CLIENT_CLIENT_DOCTOR_CHECK_H

#include "protocol/isolation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum client_doctor_section {
	CLIENT_DOCTOR_KERNEL, /* what the service needs */
	CLIENT_DOCTOR_HOST,   /* settings that weaken what is around a job */
};

enum client_doctor_state {
	CLIENT_DOCTOR_OK,
	CLIENT_DOCTOR_MISSING, /* the level needs it */
	CLIENT_DOCTOR_RISK,    /* no level needs it */
	CLIENT_DOCTOR_UNKNOWN, /* could not be looked at */
	CLIENT_DOCTOR_STATE_COUNT
};

#define CLIENT_DOCTOR_FOUND_BYTES 96

/* The machine as the checks see it. */
struct client_doctor_host {
	int root_fd;      /* borrowed: directory with proc, sys, usr, etc */
	int landlock_abi; /* -1: was not asked, look at the file */
	int thread_id;    /* 1: the kernel tells it, 0: not, -1: was not asked */
	uid_t uid;        /* of who asks */
};

struct client_doctor_finding {
	enum client_doctor_state state;
	char found[CLIENT_DOCTOR_FOUND_BYTES]; /* printable; may be empty */
};

#define CLIENT_DOCTOR_NEVER ISOLATION_LEVEL_COUNT /* as `from`: no level needs it */

struct client_doctor_check {
	enum client_doctor_section section;
	const char *name;
	enum isolation_level from; /* the lowest level that needs it */
	void (*look)(const struct client_doctor_host *host, const struct client_doctor_check *check,
		     struct client_doctor_finding *ret_finding);
	const char *path, *argument;
	uint64_t low, high;
	enum client_doctor_state absent;
	const char *sentence, *remedy;
};

extern const struct client_doctor_check CLIENT_DOCTOR_CHECKS[];
extern const size_t CLIENT_DOCTOR_CHECK_COUNT;

/* This machine: the root, and what only a system call tells. -1 with errno; root_fd is the caller's
 * to close. */
int client_doctor_check_host(struct client_doctor_host *ret_host);
/* Take one look. What is not as it should be is MISSING when `level` needs it, else RISK. */
void client_doctor_check_run(const struct client_doctor_host *host,
			     const struct client_doctor_check *check, enum isolation_level level,
			     struct client_doctor_finding *ret_finding);
const char *client_doctor_state_name(enum client_doctor_state state);

#endif
