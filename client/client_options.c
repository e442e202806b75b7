/*
 * Reads the command line of every command by one table. Options for limits are not in it: they come
 * from limits.def, so that a new limit has its option at once.
 *
 * Names are exact, no abbreviations: what works today must not become ambiguous tomorrow. Never
 * opens a file. Called by client_main.c only; fails with one line for the user and keeps nothing
 * then.
 */
#define _GNU_SOURCE
#include "client/client_options.h"
#include "client/client_units.h"

#include <stdlib.h>
#include <string.h>

enum option_id {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_USAGE,
	OPTION_ISOLATION,
	OPTION_INTERVAL,
	OPTION_EVAL,
	OPTION_TRACE,
	OPTION_NO_STDIN,
	OPTION_TENANT,
	OPTION_TOKEN_FILE,
	OPTION_PRIORITY,
	OPTION_DEADLINE,
	OPTION_STDIN,
	OPTION_NAME,
	OPTION_ENTRY,
	OPTION_ENTRY_ARGS,
	OPTION_ENTRY_KWARGS,
	OPTION_INPUT,
	OPTION_OUTPUT,
	OPTION_MODULE,
	OPTION_FILE,
	OPTION_COLLECT,
	OPTION_OUT,
	OPTION_KEY,
	OPTION_TAG,
	OPTION_STATE,
	OPTION_TIMEOUT,
	OPTION_WAIT,
	OPTION_TEXT,
	OPTION_RUN_MODULE,
	OPTION_LIMIT
};

struct option {
	const char *name;
	enum option_id id;
	unsigned commands; /* enum client_command bits */
	const char *value; /* what it takes, for messages; NULL: nothing */
};

/* Those that hand over a program; those about stored jobs. */
#define CLIENT_COMMAND_JOB    (CLIENT_COMMAND_RUN | CLIENT_COMMAND_SUBMIT)
#define CLIENT_COMMAND_STORED (CLIENT_COMMAND_WAIT | CLIENT_COMMAND_LIST)
/* What a gateway may do for others: all but what is for operators. */
#define CLIENT_COMMAND_FOR_OTHERS                                                                  \
	(CLIENT_COMMAND_JOB | CLIENT_COMMAND_STORED | CLIENT_COMMAND_STATUS |                      \
	 CLIENT_COMMAND_CANCEL | CLIENT_COMMAND_SELFTEST)

static const struct option OPTIONS[] = {
    {"--socket", OPTION_SOCKET,
     CLIENT_COMMAND_JOB | CLIENT_COMMAND_STORED | CLIENT_COMMAND_STATUS | CLIENT_COMMAND_CANCEL |
	 CLIENT_COMMAND_SELFTEST | CLIENT_COMMAND_DOCTOR | CLIENT_COMMAND_METRICS |
	 CLIENT_COMMAND_TOP | CLIENT_COMMAND_DRAIN,
     "a path"},
    {"--json", OPTION_JSON,
     CLIENT_COMMAND_JOB | CLIENT_COMMAND_STORED | CLIENT_COMMAND_STATUS | CLIENT_COMMAND_DOCTOR |
	 CLIENT_COMMAND_DRAIN,
     NULL},
    {"--isolation", OPTION_ISOLATION, CLIENT_COMMAND_DOCTOR, "a level"},
    {"--interval", OPTION_INTERVAL, CLIENT_COMMAND_TOP, "a time"},
    {"--tenant", OPTION_TENANT, CLIENT_COMMAND_FOR_OTHERS, "a tenant's name"},
    {"--token-file", OPTION_TOKEN_FILE, CLIENT_COMMAND_FOR_OTHERS, "a file"},
    {"--priority", OPTION_PRIORITY, CLIENT_COMMAND_JOB, "a number from -10 to 10"},
    {"--deadline", OPTION_DEADLINE, CLIENT_COMMAND_JOB, "a time"},
    {"--usage", OPTION_USAGE, CLIENT_COMMAND_RUN | CLIENT_COMMAND_WAIT, NULL},
    {"--eval", OPTION_EVAL, CLIENT_COMMAND_JOB, NULL},
    {"--trace", OPTION_TRACE, CLIENT_COMMAND_JOB, NULL},
    {"--no-stdin", OPTION_NO_STDIN, CLIENT_COMMAND_JOB, NULL},
    {"--stdin", OPTION_STDIN, CLIENT_COMMAND_JOB, "a file"},
    {"--name", OPTION_NAME, CLIENT_COMMAND_JOB, "a file name for tracebacks"},
    {"--entry", OPTION_ENTRY, CLIENT_COMMAND_JOB, "a function's name"},
    {"--entry-args", OPTION_ENTRY_ARGS, CLIENT_COMMAND_JOB, "a JSON array"},
    {"--entry-kwargs", OPTION_ENTRY_KWARGS, CLIENT_COMMAND_JOB, "a JSON object"},
    {"--input", OPTION_INPUT, CLIENT_COMMAND_JOB, "NAME=JSON"},
    {"--output", OPTION_OUTPUT, CLIENT_COMMAND_JOB, "a variable's name"},
    {"--module", OPTION_MODULE, CLIENT_COMMAND_JOB, "NAME=FILE"},
    {"--file", OPTION_FILE, CLIENT_COMMAND_JOB, "NAME=PATH"},
    {"--collect", OPTION_COLLECT, CLIENT_COMMAND_JOB, "a pattern of file names"},
    {"--out", OPTION_OUT, CLIENT_COMMAND_RUN, "a directory"},
    {"--key", OPTION_KEY, CLIENT_COMMAND_SUBMIT, "a text that names this submission"},
    {"--tag", OPTION_TAG, CLIENT_COMMAND_JOB | CLIENT_COMMAND_LIST, "a mark of your own"},
    {"--state", OPTION_STATE, CLIENT_COMMAND_LIST, "queued, running or ended"},
    {"--timeout", OPTION_TIMEOUT, CLIENT_COMMAND_WAIT, "a time"},
    {"--wait", OPTION_WAIT, CLIENT_COMMAND_DRAIN, NULL},
    {"-c", OPTION_TEXT, CLIENT_COMMAND_JOB, "the program's text"},
    {"-m", OPTION_RUN_MODULE, CLIENT_COMMAND_JOB, "a module's name"},
};
#define OPTION_COUNT (sizeof(OPTIONS) / sizeof(OPTIONS[0]))

void
client_options_limit_name(enum limit_id id, char ret[CLIENT_OPTIONS_NAME_BYTES])
{
	const struct limit_info *limit = &LIMITS[id];
	size_t length = strlen(limit->name), unit = strlen(limit->unit);

	/* The unit's word at the end of the wire name is what people write behind the number. */
	if (length > unit + 1 && limit->name[length - unit - 1] == '_' &&
	    strcmp(limit->name + length - unit, limit->unit) == 0)
		length -= unit + 1;
	if (length >= CLIENT_OPTIONS_NAME_BYTES)
		length = CLIENT_OPTIONS_NAME_BYTES - 1;
	for (size_t i = 0; i < length; i++)
		ret[i] = limit->name[i] == '_' ? '-' : limit->name[i];
	ret[length] = '\0';
}

static bool
client_options_find_limit(const char *name, size_t length, enum limit_id *ret_id)
{
	char known[CLIENT_OPTIONS_NAME_BYTES];

	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		client_options_limit_name((enum limit_id)i, known);
		if (strlen(known) == length && memcmp(known, name, length) == 0) {
			*ret_id = (enum limit_id)i;
			return true;
		}
	}
	return false;
}

static const struct option *
client_options_find(const char *word, size_t length)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strlen(OPTIONS[i].name) == length && memcmp(OPTIONS[i].name, word, length) == 0)
			return &OPTIONS[i];
	}
	return NULL;
}

static int
client_options_pair(const struct option *option, const char *text, struct client_pair *ret_pair,
		    struct error *err)
{
	const char *equals = strchr(text, '=');

	if (equals == NULL || equals == text)
		return error_set(err, ERROR_INVALID, "%s takes %s, not '%s'", option->name,
				 option->value, text);
	ret_pair->name = text;
	ret_pair->name_length = (size_t)(equals - text);
	ret_pair->value = equals + 1;
	return 0;
}

static int
client_options_source(struct client_options *options, enum client_source kind, const char *text,
		      struct error *err)
{
	if (options->kind != CLIENT_SOURCE_NONE)
		return error_set(err, ERROR_INVALID,
				 "more than one program: give one of FILE, -c TEXT and -m MODULE");
	options->kind = kind;
	options->source = text;
	return 0;
}

/* An option that takes NAME=VALUE. */
static int
client_options_apply_pair(struct client_options *options, const struct option *option,
			  const char *value, struct error *err)
{
	struct client_pair *pair;

	if (option->id == OPTION_INPUT)
		pair = &options->inputs[options->input_count++];
	else if (option->id == OPTION_MODULE)
		pair = &options->modules[options->module_count++];
	else
		pair = &options->files[options->file_count++];
	return client_options_pair(option, value, pair, err);
}

/* Where the value of an option goes that is a text and nothing else; NULL: it is another kind. */
static const char **
client_options_text(struct client_options *options, enum option_id id)
{
	switch (id) {
	case OPTION_SOCKET:
		return &options->socket;
	case OPTION_ISOLATION:
		return &options->isolation;
	case OPTION_STDIN:
		return &options->stdin_path;
	case OPTION_TENANT:
		return &options->tenant;
	case OPTION_TOKEN_FILE:
		return &options->token_file;
	case OPTION_INTERVAL:
		return &options->interval;
	case OPTION_NAME:
		return &options->name;
	case OPTION_ENTRY:
		return &options->entry;
	case OPTION_ENTRY_ARGS:
		return &options->entry_args;
	case OPTION_ENTRY_KWARGS:
		return &options->entry_kwargs;
	case OPTION_OUT:
		return &options->out;
	case OPTION_KEY:
		return &options->key;
	case OPTION_TAG:
		return &options->tag;
	case OPTION_STATE:
		return &options->state;
	case OPTION_TIMEOUT:
		return &options->timeout;
	default:
		return NULL;
	}
}

static int
client_options_priority(struct client_options *options, const char *value, struct error *err)
{
	char *end;
	long number = strtol(value, &end, 10);

	if (end == value || *end != '\0' || number < -PRIORITY_MAX || number > PRIORITY_MAX)
		return error_set(err, ERROR_INVALID, "--priority: want a number from %d to %d",
				 -PRIORITY_MAX, PRIORITY_MAX);
	options->priority = (int)number;
	return 0;
}

static int
client_options_deadline(struct client_options *options, const char *value, struct error *err)
{
	int code = client_units_parse(value, "ms", &options->deadline_ms, err);

	if (code < 0)
		return error_wrap(err, "--deadline");
	if (options->deadline_ms == 0 || options->deadline_ms > DEADLINE_MAX_MS)
		return error_set(err, ERROR_INVALID, "--deadline: want a time from 1ms to 30 days");
	return 0;
}

static int
client_options_apply(struct client_options *options, const struct option *option, const char *value,
		     struct error *err)
{
	const char **text = client_options_text(options, option->id);

	if (text != NULL) {
		*text = value;
		return 0;
	}
	switch (option->id) {
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_USAGE:
		options->usage = true;
		return 0;
	case OPTION_WAIT:
		options->wait = true;
		return 0;
	case OPTION_EVAL:
		options->eval = true;
		return 0;
	case OPTION_TRACE:
		options->trace = value != NULL ? value : "opcodes";
		return 0;
	case OPTION_NO_STDIN:
		options->no_stdin = true;
		return 0;
	case OPTION_PRIORITY:
		return client_options_priority(options, value, err);
	case OPTION_DEADLINE:
		return client_options_deadline(options, value, err);
	case OPTION_OUTPUT:
		options->outputs[options->output_count++] = value;
		return 0;
	case OPTION_TEXT:
		return client_options_source(options, CLIENT_SOURCE_TEXT, value, err);
	case OPTION_RUN_MODULE:
		return client_options_source(options, CLIENT_SOURCE_MODULE, value, err);
	case OPTION_INPUT:
	case OPTION_MODULE:
	case OPTION_FILE:
		return client_options_apply_pair(options, option, value, err);
	case OPTION_COLLECT:
		options->collect[options->collect_count++] = value;
		return 0;
	default:
		return error_set(err, ERROR_INVALID, "unknown option '%s'", option->name);
	}
}

static int
client_options_apply_limit(struct client_options *options, enum limit_id id, const char *value,
			   struct error *err)
{
	char name[CLIENT_OPTIONS_NAME_BYTES];
	uint64_t amount;
	int code = client_units_parse(value, LIMITS[id].unit, &amount, err);

	if (code < 0) {
		client_options_limit_name(id, name);
		return error_wrap(err, "--%s", name);
	}
	limits_set(&options->limits, id, amount);
	options->limit_given[id] = true;
	return 0;
}

/* --trace may be followed by one of these words; without it is "opcodes". */
static bool
client_options_is_trace(const char *word)
{
	return strcmp(word, "opcodes") == 0 || strcmp(word, "lines") == 0 ||
	       strcmp(word, "calls") == 0;
}

/* One option at argv[*index]; leaves *index at the last word it used. */
static int
client_options_one(struct client_options *options, int argc, char *const *argv, int *index,
		   enum client_command command, struct error *err)
{
	const char *word = argv[*index];
	const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
	size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const struct option *option = client_options_find(word, length);
	const char *value = equals != NULL ? equals + 1 : NULL;
	const char *takes = option != NULL ? option->value : "a value";
	enum limit_id limit = LIMIT_COUNT;

	if (option == NULL && (command & CLIENT_COMMAND_JOB) && length > 2)
		(void)client_options_find_limit(word + 2, length - 2, &limit);
	if (limit == LIMIT_COUNT && (option == NULL || !(option->commands & command)))
		return error_set(err, ERROR_INVALID, "unknown option '%.*s': see `stint help`%s",
				 (int)length, word,
				 command & CLIENT_COMMAND_JOB
				     ? ", or put -- before the program's own arguments"
				     : "");
	if (takes == NULL && value != NULL && option->id != OPTION_TRACE)
		return error_set(err, ERROR_INVALID, "%s takes no value", option->name);
	if (option != NULL && option->id == OPTION_TRACE && value == NULL && *index + 1 < argc &&
	    client_options_is_trace(argv[*index + 1]))
		value = argv[++*index];
	if (takes != NULL && value == NULL) {
		if (*index + 1 >= argc)
			return error_set(err, ERROR_INVALID, "%s needs %s", word, takes);
		value = argv[++*index];
	}
	if (limit != LIMIT_COUNT)
		return client_options_apply_limit(options, limit, value, err);
	return client_options_apply(options, option, value, err);
}

/* Rules that span options, for run and submit. The first word is FILE unless -c or -m gave a
 * program.
 */
static int
client_options_finish_job(struct client_options *options, enum client_command command,
			  struct error *err)
{
	if (options->kind == CLIENT_SOURCE_NONE) {
		if (options->word_count == 0)
			return error_set(err, ERROR_INVALID,
					 "run what? Give FILE, - (standard input), -c TEXT or -m "
					 "MODULE");
		options->kind = CLIENT_SOURCE_FILE;
		options->source = options->words[0];
		options->word_count--;
		memmove(options->words, options->words + 1,
			options->word_count * sizeof(options->words[0]));
	}
	if (options->entry == NULL &&
	    (options->entry_args != NULL || options->entry_kwargs != NULL))
		return error_set(err, ERROR_INVALID,
				 "--entry-args and --entry-kwargs need --entry FUNCTION");
	if (options->no_stdin && options->stdin_path != NULL)
		return error_set(err, ERROR_INVALID, "--stdin and --no-stdin exclude each other");
	if (options->out != NULL && options->collect_count == 0)
		return error_set(err, ERROR_INVALID, "--out needs --collect PATTERN");
	if (command == CLIENT_COMMAND_RUN && options->out == NULL && !options->json &&
	    options->collect_count > 0)
		return error_set(err, ERROR_INVALID, "--collect needs --out DIRECTORY, or --json");
	if ((options->file_count > 0 || options->collect_count > 0) &&
	    !options->limit_given[LIMIT_scratch_bytes])
		return error_set(err, ERROR_INVALID,
				 "--file and --collect need a scratch directory: --scratch 16M");
	if (options->eval && options->entry != NULL)
		return error_set(err, ERROR_INVALID, "--eval and --entry exclude each other");
	return 0;
}

int
client_options_parse(int argc, char *const *argv, int first, enum client_command command,
		     struct client_options *ret_options, struct error *err)
{
	struct client_options options = {.socket = getenv("STINT_SOCKET")};
	size_t most = (size_t)argc + 1;
	bool only_words = false;
	int code = 0;

	if (options.socket == NULL || options.socket[0] == '\0')
		options.socket = CLIENT_SOCKET_DEFAULT;
	options.inputs = calloc(most, sizeof(options.inputs[0]));
	options.modules = calloc(most, sizeof(options.modules[0]));
	options.outputs = calloc(most, sizeof(options.outputs[0]));
	options.words = calloc(most, sizeof(options.words[0]));
	options.files = calloc(most, sizeof(options.files[0]));
	options.collect = calloc(most, sizeof(options.collect[0]));
	if (!options.inputs || !options.modules || !options.outputs || !options.words ||
	    !options.files || !options.collect)
		code = error_set(err, ERROR_LIMIT, "out of memory");
	for (int i = first; i < argc && code == 0; i++) {
		if (only_words || argv[i][0] != '-' || argv[i][1] == '\0')
			options.words[options.word_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			only_words = true;
		else
			code = client_options_one(&options, argc, argv, &i, command, err);
	}
	options.stored = command == CLIENT_COMMAND_WAIT;
	if (code == 0 && options.token_file != NULL && options.tenant == NULL)
		code = error_set(err, ERROR_INVALID, "--token-file needs --tenant NAME");
	if (code == 0 && (command & CLIENT_COMMAND_JOB))
		code = client_options_finish_job(&options, command, err);
	if (code < 0) {
		client_options_deinit(&options);
		memset(ret_options, 0, sizeof(*ret_options));
		return code;
	}
	*ret_options = options;
	return 0;
}

void
client_options_deinit(struct client_options *options)
{
	if (options == NULL)
		return;
	free(options->inputs);
	free(options->modules);
	free(options->outputs);
	free(options->words);
	free(options->files);
	free(options->collect);
	if (options->token != NULL)
		explicit_bzero(options->token, strlen(options->token));
	free(options->token);
	memset(options, 0, sizeof(*options));
}
