/*
 * The command line of stint-spawner, and the configuration that comes of it.
 */
#ifndef STINT_WORKER_SPAWNER_OPTIONS_H
#define STINT_WORKER_SPAWNER_OPTIONS_H

#include "protocol/error.h"
#include "worker/spawner.h"

#ifndef SPAWNER_OPTIONS_LIBEXECDIR
#define SPAWNER_OPTIONS_LIBEXECDIR "/usr/libexec/stint"
#endif
#define SPAWNER_OPTIONS_PATH_BYTES 4096
#define SPAWNER_OPTIONS_SETS_MAX   64

enum spawner_options_action {
	SPAWNER_OPTIONS_SERVE,
	SPAWNER_OPTIONS_CHECK, /* --check-config */
	SPAWNER_OPTIONS_PRINT, /* --print-config */
	SPAWNER_OPTIONS_DONE,  /* --help, --version: all is said */
};

/* Paths of the two programs, for messages and for what the tree must not cover. */
struct spawner_options {
	enum spawner_options_action action;
	const char *config_path; /* borrowed from argv, or NULL */
	const char *sets[SPAWNER_OPTIONS_SETS_MAX]; /* borrowed from argv: NAME=VALUE */
	size_t set_count;
	char stintd[SPAWNER_OPTIONS_PATH_BYTES], zygote[SPAWNER_OPTIONS_PATH_BYTES];
};

/*
 * Read argv and the configuration (file, then --set) into spawner->config. The error text is for
 * the user: "file:line: reason" or what is wrong with an option.
 */
int spawner_options_read(int argc, char **argv, struct spawner *spawner,
			 struct spawner_options *ret_options, struct error *err);
/* The configuration that the command line asks for, over the built-in defaults in *config. */
int spawner_options_config(const struct spawner_options *options, struct config *config,
			   struct error *err);
/* What to call it in errors: the file's name, if there is one. */
const char *spawner_options_config_name(const struct spawner_options *options);
/* Open both programs, each path followed once. */
int spawner_options_open(struct spawner *spawner, struct spawner_options *options,
			 struct error *err);

#endif
