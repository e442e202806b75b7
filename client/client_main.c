/*
 * stint: the command line.
 *
 * Theory of operation. One command per process: it reads its options, opens one connection to the
 * daemon, sends one or two JSON-RPC requests, prints the answers and ends. It holds no state and no
 * privilege, and knows nothing that another client could not do over the socket.
 *
 * All errors end here: one line on standard error that begins with "stint: ", exit status 125.
 */
#include "config.h"

#include "client/client_doctor.h"
#include "client/client_exit.h"
#include "client/client_help.h"
#include "client/client_jobs.h"
#include "client/client_metrics.h"
#include "client/client_options.h"
#include "client/client_print.h"
#include "client/client_run.h"
#include "client/client_selftest.h"
#include "client/client_status.h"
#include "client/client_token.h"
#include "client/client_top.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	enum client_command id;
	int (*run)(const struct client_options *options, struct error *err);
};

static const struct command COMMANDS[] = {
    {"run", CLIENT_COMMAND_RUN, client_run},
    {"submit", CLIENT_COMMAND_SUBMIT, client_jobs_submit},
    {"wait", CLIENT_COMMAND_WAIT, client_jobs_wait},
    {"result", CLIENT_COMMAND_WAIT, client_jobs_result},
    {"list", CLIENT_COMMAND_LIST, client_jobs_list},
    {"status", CLIENT_COMMAND_STATUS, client_status},
    {"cancel", CLIENT_COMMAND_CANCEL, client_status_cancel},
    {"drain", CLIENT_COMMAND_DRAIN, client_status_drain},
    {"top", CLIENT_COMMAND_TOP, client_top},
    {"metrics", CLIENT_COMMAND_METRICS, client_metrics},
    {"selftest", CLIENT_COMMAND_SELFTEST, client_selftest},
    {"doctor", CLIENT_COMMAND_DOCTOR, client_doctor},
    {"token", CLIENT_COMMAND_TOKEN, client_token},
};
#define COMMAND_COUNT (sizeof(COMMANDS) / sizeof(COMMANDS[0]))

static int
client_main_command(const struct command *command, int argc, char **argv)
{
	struct client_options options;
	struct error err = ERROR_INIT;
	int code;

	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return client_help(stdout, command->name);
	code = client_options_parse(argc, argv, 2, command->id, &options, &err);
	if (code == 0)
		code = client_token_read(&options, &err);
	if (code == 0)
		code = command->run(&options, &err);
	client_options_deinit(&options);
	if (code < 0) {
		client_print_error("%s", err.text);
		return CLIENT_EXIT_DAEMON;
	}
	return code;
}

static int
client_main_help(const char *topic)
{
	if (client_help(stdout, topic) == 0)
		return CLIENT_EXIT_OK;
	client_print_error("no command '%s': see `stint help`", topic);
	return CLIENT_EXIT_DAEMON;
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(COMMANDS[i].name, name) == 0)
			return client_main_command(&COMMANDS[i], argc, argv);
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
		(void)puts(PACKAGE_STRING);
		return CLIENT_EXIT_OK;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return client_main_help(argc > 2 ? argv[2] : NULL);
	if (name[0] == '\0') {
		(void)client_help(stderr, NULL);
		return CLIENT_EXIT_DAEMON;
	}
	client_print_error("unknown command '%s': run, submit, wait, result, list, status, cancel, "
			   "drain, top, metrics, token, selftest, doctor or help",
			   name);
	return CLIENT_EXIT_DAEMON;
}
