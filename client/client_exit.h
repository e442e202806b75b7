/*
 * What the command's exit status says about a job. Pure.
 */
#ifndef STINT_CLIENT_CLIENT_EXIT_H
#define STINT_CLIENT_CLIENT_EXIT_H

enum client_exit {
	CLIENT_EXIT_OK = 0,
	CLIENT_EXIT_ERROR = 1, /* compile error; uncaught exception without a code */
	CLIENT_EXIT_SECURITY = 121,
	CLIENT_EXIT_OUTPUT = 122,
	CLIENT_EXIT_MEMORY = 123,
	CLIENT_EXIT_TIME = 124,   /* time or opcode limit */
	CLIENT_EXIT_DAEMON = 125, /* refusal or failure of the daemon, or bad usage */
	CLIENT_EXIT_SIGNAL = 128, /* + the signal that the job died by */
	CLIENT_EXIT_INTERRUPTED = 130,
};

/* `status` is the wire name; exit_code and signal are -1 and 0 when the result has none. */
int client_exit_code(const char *status, int exit_code, int signal);
/* Sentence for a status that the job itself does not explain on stderr; NULL when it does. */
const char *client_exit_reason(const char *status);

#endif
