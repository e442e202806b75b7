/*
 * The command line as it was given, checked for form: what is asked for, not yet whether it works.
 * All texts are borrowed from argv.
 */
#ifndef STINT_CLIENT_CLIENT_OPTIONS_H
#define STINT_CLIENT_CLIENT_OPTIONS_H

#include "protocol/error.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>

#define CLIENT_SOCKET_DEFAULT "/run/stint/stint.sock"

enum client_source {
	CLIENT_SOURCE_NONE,
	CLIENT_SOURCE_FILE,   /* `source` is a path; "-" is standard input */
	CLIENT_SOURCE_TEXT,   /* -c: `source` is the program */
	CLIENT_SOURCE_MODULE, /* -m: `source` is a module's dotted name */
};

/* NAME=VALUE; name is not NUL terminated. */
struct client_pair {
	const char *name;
	size_t name_length;
	const char *value;
};

/* Commands an option belongs to, as bits. */
enum client_command {
	CLIENT_COMMAND_RUN = 1u << 0,
	CLIENT_COMMAND_STATUS = 1u << 1,
	CLIENT_COMMAND_CANCEL = 1u << 2,
	CLIENT_COMMAND_SELFTEST = 1u << 3,
	CLIENT_COMMAND_DOCTOR = 1u << 4,
	CLIENT_COMMAND_METRICS = 1u << 5,
	CLIENT_COMMAND_TOP = 1u << 6,
	CLIENT_COMMAND_TOKEN = 1u << 9,
	CLIENT_COMMAND_SUBMIT = 1u << 10,
	CLIENT_COMMAND_WAIT = 1u << 11, /* and result */
	CLIENT_COMMAND_LIST = 1u << 12,
	CLIENT_COMMAND_DRAIN = 1u << 13,
};

struct client_options {
	const char *socket;
	bool json, usage, eval, no_stdin;
	bool stored; /* wait, result: of a job that was submitted */
	bool wait;   /* drain: until its end */
	const char *key, *tag, *state, *timeout; /* of stored jobs, or NULL */
	const char *interval;  /* top: a time, or NULL */
	const char *isolation; /* doctor: a level, or NULL */
	int priority;
	uint64_t deadline_ms;  /* 0: none */
	const char *trace;     /* opcodes, lines or calls, or NULL */
	const char *tenant, *token_file; /* for gateways, or NULL */
	char *token;                     /* owned: see client_token.h */
	enum client_source kind;
	const char *source;
	const char *stdin_path, *name, *entry, *entry_args, *entry_kwargs;
	struct limits limits;
	bool limit_given[LIMIT_COUNT];
	const char *out;                              /* directory for collected files, or NULL */
	struct client_pair *inputs, *modules, *files; /* arrays owned */
	const char **outputs, **collect,
	    **words; /* arrays owned; words: arguments, or a job's id */
	size_t input_count, module_count, file_count, output_count, collect_count, word_count;
};

/*
 * Read argv[first..] as options of `command`. Options and words may be mixed; "--" ends the
 * options. On error ret_options is left empty; the text names the option and the remedy.
 */
int client_options_parse(int argc, char *const *argv, int first, enum client_command command,
			 struct client_options *ret_options, struct error *err);
void client_options_deinit(struct client_options *options);
/* Name of the option for a limit, without the dashes: cpu_ms -> "cpu", open_files -> "open-files".
 */
#define CLIENT_OPTIONS_NAME_BYTES 32
void client_options_limit_name(enum limit_id id, char ret[CLIENT_OPTIONS_NAME_BYTES]);

#endif
