/*
 * The command line of stint-zygote (zygote_args.h), checked.
 */
#ifndef STINT_WORKER_ZYGOTE_OPTIONS_H
#define STINT_WORKER_ZYGOTE_OPTIONS_H

#include "protocol/base_log.h"
#include "protocol/error.h"
#include "protocol/message.h"

#include <stdbool.h>
#include <stdint.h>

struct zygote_options {
	const char *root;    /* borrowed from argv, as all texts here; absolute path */
	const char *stdlib;  /* absolute path */
	const char *preload; /* may be empty */
	uint32_t roles[CGROUP_DIRS_MAX];
	unsigned dir_count; /* 0 .. CGROUP_DIRS_MAX */
	uint64_t hash_seed; /* 0 .. UINT32_MAX */
	bool asyncio;
	bool pin_cores;
	bool scratch; /* workers with a scratch directory may be asked for */
	bool landlock;
	bool shared_account;
	enum log_level log_level;
};

/* All options must be there, once each, and make sense. */
int zygote_options_parse(int argc, char **argv, struct zygote_options *ret_options,
			 struct error *err);

#endif
