/*
 * Statuses to exit codes, as a table. Calls nothing and knows no I/O.
 *
 * Called by client_run.c. A status that this client does not know yet is the daemon's failure
 * (125): an exit status must never claim success for something it does not understand.
 */
#include "client/client_exit.h"

#include <stddef.h>
#include <string.h>

struct row {
	const char *status;
	int exit_code; /* -1: the job's own */
	const char *reason;
};

static const struct row ROWS[] = {
    {"ok", -1, NULL},
    {"runtime_error", -1, NULL},
    {"recursion_limit", -1, NULL},
    {"compile_error", CLIENT_EXIT_ERROR, NULL},
    {"cpu_limit", CLIENT_EXIT_TIME, "CPU time used up; --cpu gives more"},
    {"wall_limit", CLIENT_EXIT_TIME, "wall time used up; --wall gives more"},
    {"opcode_limit", CLIENT_EXIT_TIME, "opcode budget used up; --opcodes gives more"},
    {"memory_limit", CLIENT_EXIT_MEMORY, "memory used up; --memory gives more"},
    {"output_limit", CLIENT_EXIT_OUTPUT,
     "more output than granted; --stdout, --stderr and --value give more"},
    {"security_violation", CLIENT_EXIT_SECURITY, "a system call that no job may make"},
    {"cancelled", CLIENT_EXIT_DAEMON, "cancelled before it ended"},
    {"internal_error", CLIENT_EXIT_DAEMON, "a defect of stint: its log has more"},
};
#define ROW_COUNT (sizeof(ROWS) / sizeof(ROWS[0]))

static const struct row *
client_exit_find(const char *status)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (strcmp(ROWS[i].status, status) == 0)
			return &ROWS[i];
	}
	return NULL;
}

int
client_exit_code(const char *status, int exit_code, int signal)
{
	const struct row *row = client_exit_find(status);

	if (row == NULL)
		return CLIENT_EXIT_DAEMON;
	if (row->exit_code >= 0)
		return row->exit_code;
	if (signal > 0)
		return CLIENT_EXIT_SIGNAL + signal;
	if (exit_code > 0)
		return exit_code;
	return strcmp(status, "ok") == 0 ? CLIENT_EXIT_OK : CLIENT_EXIT_ERROR;
}

const char *
client_exit_reason(const char *status)
{
	const struct row *row = client_exit_find(status);

	return row != NULL ? row->reason : "a status this client does not know: update it";
}
