/*
 * Parses the command line that the spawner writes. Nobody else starts a zygote, so the smallest
 * surprise is an error, and there are no defaults.
 * Pure: no system call. Called once, by zygote_main.c.
 */
#define _GNU_SOURCE
#include "worker/zygote_options.h"

#include "worker/zygote_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Decimal, no sign, no blank; *at moves behind it. */
static int
parse_number(const char **at, uint64_t max, uint64_t *ret_number)
{
	char *end;
	unsigned long long number;

	if (**at < '0' || **at > '9')
		return ERROR_INVALID;
	errno = 0;
	number = strtoull(*at, &end, 10);
	if (errno != 0 || number > max)
		return ERROR_INVALID;
	*at = end;
	*ret_number = number;
	return 0;
}

static int
parse_roles(const char *value, struct zygote_options *options)
{
	const char *at = value;

	if (*at == '\0')
		return 0;
	for (;;) {
		uint64_t roles;

		if (options->dir_count == CGROUP_DIRS_MAX ||
		    parse_number(&at, CGROUP_ROLES_KNOWN, &roles) < 0)
			return ERROR_INVALID;
		options->roles[options->dir_count++] = (uint32_t)roles;
		if (*at == '\0')
			return 0;
		if (*at++ != ',')
			return ERROR_INVALID;
	}
}

static int
parse_path(const char *value, const char **ret_path)
{
	if (value[0] != '/')
		return ERROR_INVALID;
	*ret_path = value;
	return 0;
}

enum option {
	OPTION_ROOT,
	OPTION_STDLIB,
	OPTION_ROLES,
	OPTION_PRELOAD,
	OPTION_HASH_SEED,
	OPTION_ASYNCIO,
	OPTION_PIN_CORES,
	OPTION_SCRATCH,
	OPTION_LANDLOCK,
	OPTION_IDS,
	OPTION_LOG_LEVEL,
	OPTION_COUNT
};

static const char *const NAMES[OPTION_COUNT] = {
    [OPTION_ROOT] = ZYGOTE_ARGS_ROOT,
    [OPTION_STDLIB] = ZYGOTE_ARGS_STDLIB,
    [OPTION_ROLES] = ZYGOTE_ARGS_ROLES,
    [OPTION_PRELOAD] = ZYGOTE_ARGS_PRELOAD,
    [OPTION_HASH_SEED] = ZYGOTE_ARGS_HASH_SEED,
    [OPTION_ASYNCIO] = ZYGOTE_ARGS_ASYNCIO,
    [OPTION_PIN_CORES] = ZYGOTE_ARGS_PIN_CORES,
    [OPTION_SCRATCH] = ZYGOTE_ARGS_SCRATCHES,
    [OPTION_LANDLOCK] = ZYGOTE_ARGS_LANDLOCK,
    [OPTION_IDS] = ZYGOTE_ARGS_IDS,
    [OPTION_LOG_LEVEL] = ZYGOTE_ARGS_LOG_LEVEL,
};

static int
parse_value(enum option option, const char *value, struct zygote_options *options)
{
	const char *at = value;

	switch (option) {
	case OPTION_ROOT:
		return parse_path(value, &options->root);
	case OPTION_STDLIB:
		return parse_path(value, &options->stdlib);
	case OPTION_ROLES:
		return parse_roles(value, options);
	case OPTION_PRELOAD:
		options->preload = value;
		return 0;
	case OPTION_HASH_SEED:
		if (parse_number(&at, UINT32_MAX, &options->hash_seed) < 0 || *at != '\0')
			return ERROR_INVALID;
		return 0;
	case OPTION_ASYNCIO:
		options->asyncio = strcmp(value, "yes") == 0;
		return options->asyncio || strcmp(value, "no") == 0 ? 0 : ERROR_INVALID;
	case OPTION_PIN_CORES:
		options->pin_cores = strcmp(value, "yes") == 0;
		return options->pin_cores || strcmp(value, "no") == 0 ? 0 : ERROR_INVALID;
	case OPTION_SCRATCH:
		options->scratch = strcmp(value, "yes") == 0;
		return options->scratch || strcmp(value, "no") == 0 ? 0 : ERROR_INVALID;
	case OPTION_LANDLOCK:
		options->landlock = strcmp(value, "on") == 0;
		return options->landlock || strcmp(value, "off") == 0 ? 0 : ERROR_INVALID;
	case OPTION_IDS:
		options->shared_account = strcmp(value, "shared") == 0;
		return options->shared_account || strcmp(value, "own") == 0 ? 0 : ERROR_INVALID;
	case OPTION_LOG_LEVEL:
		return base_log_level_parse(value, &options->log_level);
	case OPTION_COUNT:
		break;
	}
	return ERROR_INVALID;
}

static enum option
find_option(const char *name)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (strcmp(name, NAMES[i]) == 0)
			return (enum option)i;
	return OPTION_COUNT;
}

int
zygote_options_parse(int argc, char **argv, struct zygote_options *ret_options, struct error *err)
{
	struct zygote_options options = {.dir_count = 0};
	unsigned seen = 0;

	for (int i = 1; i < argc; i += 2) {
		enum option option = find_option(argv[i]);

		if (option == OPTION_COUNT || (seen & (1u << option)) || i + 1 >= argc)
			return error_set(err, ERROR_INVALID,
					 "command line: %.64s is unknown, doubled or has no value",
					 argv[i]);
		seen |= 1u << option;
		if (parse_value(option, argv[i + 1], &options) < 0)
			return error_set(err, ERROR_INVALID, "command line: %s cannot be %.64s",
					 NAMES[option], argv[i + 1]);
	}
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (!(seen & (1u << i)))
			return error_set(err, ERROR_INVALID, "command line: %s is missing",
					 NAMES[i]);
	*ret_options = options;
	return 0;
}
