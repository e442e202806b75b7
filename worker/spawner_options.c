/*
 * Command line and configuration of the spawner, and where the other two programs are.
 *
 * The programs are looked for beside the spawner's own file first, so that a build tree or a copied
 * directory works as it is, then where `make install` puts them. Each is opened once; what is
 * exec'd later is that descriptor, whatever happens to the path.
 *
 * Called by spawner_main.c, before anything is made. Errors are for the user.
 */
#define _GNU_SOURCE
#include "worker/spawner_options.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SPAWNER_OPTIONS_VERSION
#define SPAWNER_OPTIONS_VERSION "unknown"
#endif

enum {
	OPTION_CONFIG = 'c',
	OPTION_HELP = 'h',
	OPTION_SET = 's',
	OPTION_VERSION = 'V',
	OPTION_STINTD = 256,
	OPTION_ZYGOTE,
	OPTION_CHECK,
	OPTION_PRINT
};

static const struct option SPAWNER_OPTIONS[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"set", required_argument, NULL, OPTION_SET},
    {"stintd", required_argument, NULL, OPTION_STINTD},
    {"zygote", required_argument, NULL, OPTION_ZYGOTE},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"print-config", no_argument, NULL, OPTION_PRINT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char SPAWNER_OPTIONS_HELP[] =
    "usage: stint-spawner [--config FILE] [--set NAME=VALUE]... [--stintd PATH] [--zygote PATH]\n"
    "                     [--check-config | --print-config | --help | --version]\n"
    "Starts the stint service and stays until SIGTERM. Needs root; an ordinary user can start it "
    "with\n"
    "--set isolation=development, for development only.\n";

static int
spawner_options_path(char ret[SPAWNER_OPTIONS_PATH_BYTES], const char *path, struct error *err)
{
	if (strlen(path) >= SPAWNER_OPTIONS_PATH_BYTES)
		return error_set(err, ERROR_LIMIT, "path is too long: %.40s...", path);
	memcpy(ret, path, strlen(path) + 1);
	return 0;
}

static int
spawner_options_one(int option, struct spawner_options *options, struct error *err)
{
	switch (option) {
	case OPTION_CONFIG:
		options->config_path = optarg;
		return 0;
	case OPTION_SET:
		if (options->set_count == SPAWNER_OPTIONS_SETS_MAX)
			return error_set(err, ERROR_LIMIT, "more than %d times --set",
					 SPAWNER_OPTIONS_SETS_MAX);
		options->sets[options->set_count++] = optarg;
		return 0;
	case OPTION_STINTD:
		return spawner_options_path(options->stintd, optarg, err);
	case OPTION_ZYGOTE:
		return spawner_options_path(options->zygote, optarg, err);
	case OPTION_CHECK:
		options->action = SPAWNER_OPTIONS_CHECK;
		return 0;
	case OPTION_PRINT:
		options->action = SPAWNER_OPTIONS_PRINT;
		return 0;
	case OPTION_HELP:
	case OPTION_VERSION:
		options->action = SPAWNER_OPTIONS_DONE;
		(void)fputs(option == OPTION_HELP ? SPAWNER_OPTIONS_HELP
						  : "stint-spawner " SPAWNER_OPTIONS_VERSION "\n",
			    stdout);
		return 0;
	default:
		return error_set(err, ERROR_INVALID, "wrong option (see --help)");
	}
}

int
spawner_options_config(const struct spawner_options *options, struct config *config,
		       struct error *err)
{
	int rc = 0;

	if (options->config_path)
		rc = config_read_file(config, options->config_path, err);
	for (size_t i = 0; rc == 0 && i < options->set_count; i++)
		rc = config_set(config, options->sets[i], err);
	return rc < 0 ? rc : config_check(config, err);
}

const char *
spawner_options_config_name(const struct spawner_options *options)
{
	return options->config_path ? options->config_path : "configuration";
}

int
spawner_options_read(int argc, char **argv, struct spawner *spawner,
		     struct spawner_options *ret_options, struct error *err)
{
	int option, rc = 0;

	*ret_options = (struct spawner_options){.action = SPAWNER_OPTIONS_SERVE};
	while (rc == 0 && ret_options->action != SPAWNER_OPTIONS_DONE &&
	       (option = getopt_long(argc, argv, "", SPAWNER_OPTIONS, NULL)) != -1)
		rc = spawner_options_one(option, ret_options, err);
	if (rc < 0 || ret_options->action == SPAWNER_OPTIONS_DONE)
		return rc;
	if (optind < argc)
		return error_set(err, ERROR_INVALID, "unexpected \"%.80s\" (see --help)",
				 argv[optind]);
	return spawner_options_config(ret_options, &spawner->config, err);
}

static int
spawner_options_program(const char *name, char path[SPAWNER_OPTIONS_PATH_BYTES], int *ret_fd,
			struct error *err)
{
	char own[SPAWNER_OPTIONS_PATH_BYTES];
	bool given = *path != '\0';
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	struct stat st;
	int fd = -1;

	own[length > 0 ? length : 0] = '\0';
	if (!given && strrchr(own, '/')) {
		*strrchr(own, '/') = '\0';
		if ((size_t)snprintf(path, SPAWNER_OPTIONS_PATH_BYTES, "%s/%s", own, name) <
		    SPAWNER_OPTIONS_PATH_BYTES)
			fd = open(path, O_PATH | O_CLOEXEC);
	}
	if (!given && fd < 0)
		(void)snprintf(path, SPAWNER_OPTIONS_PATH_BYTES, "%s/%s",
			       SPAWNER_OPTIONS_LIBEXECDIR, name);
	if (fd < 0)
		fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "cannot open the program %.160s", path);
	if (fstat(fd, &st) < 0) {
		int rc = error_errno(err, "cannot look at the program %.160s", path);

		base_close(&fd);
		return rc;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
		base_close(&fd);
		return error_set(err, ERROR_INVALID, "%.160s is not a program", path);
	}
	*ret_fd = fd;
	return 0;
}

int
spawner_options_open(struct spawner *spawner, struct spawner_options *options, struct error *err)
{
	int rc = spawner_options_program("stintd", options->stintd, &spawner->stintd_fd, err);

	if (rc < 0)
		return rc;
	return spawner_options_program("stint-zygote", options->zygote, &spawner->zygote_fd, err);
}
