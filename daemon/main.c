/*
 * stintd: the daemon that clients talk to.
 *
 * Theory of operation. stint-spawner starts this program as an unprivileged account, with two
 * descriptors: the listening socket and the link to itself. Everything that needs a right is behind
 * that link. This file reads the command line and the configuration, gives up what the process must
 * never regain (confine.c), sets its descriptor limit and hands over to daemon.c.
 *
 * It never runs as root, never forks and never opens a path that a client names. A fault at start
 * is one line on standard error and exit code 1, a wrong command line exit code 2; 78 says that
 * this machine or installation lacks something, so that the spawner need not try again.
 */
#include "daemon/confine.h"
#include "daemon/daemon.h"
#include "daemon/listener.h"
#include "protocol/base_log.h"
#include "protocol/base_slice.h"
#include "protocol/base_sys.h"
#include "protocol/config.h"
#include "protocol/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_FATAL 1
#define EXIT_USAGE 2
/* Descriptors beside those of clients and workers. */
#define DESCRIPTORS_FIXED 64u
/* Of the C library's heap. */
#define LARGE_BLOCK_BYTES BASE_LARGE_BYTES
#define HEAP_SPARE_BYTES  (8 << 20)

struct arguments {
	int listen_fd, spawner_fd, config_fd, state_fd, metrics_fd, usage_fd, usage_old_fd;
	struct config config;
};

static const char USAGE[] =
    "usage: stintd --listen-fd N --spawner-fd N [--config-fd N] [--state-fd N]\n"
    "              [--metrics-fd N] [--usage-fd N --usage-old-fd N] [--set NAME=VALUE]...\n"
    "stintd is started by stint-spawner, never by hand.\n";

static int
parse_fd(const char *text, int *ret_fd)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 3 || value > 1000000)
		return ERROR_INVALID;
	if (fcntl((int)value, F_SETFD, FD_CLOEXEC) != 0)
		return ERROR_INVALID;
	*ret_fd = (int)value;
	return 0;
}

/* 0, or an exit code after a line that says why. */
static int
parse_arguments(int argc, char **argv, struct arguments *arguments, struct error *err)
{
	static const struct option OPTIONS[] = {
	    {"listen-fd", required_argument, NULL, 'l'},
	    {"spawner-fd", required_argument, NULL, 's'},
	    {"config-fd", required_argument, NULL, 'c'},
	    {"state-fd", required_argument, NULL, 'd'},
	    {"metrics-fd", required_argument, NULL, 'm'},
	    {"usage-fd", required_argument, NULL, 'u'},
	    {"usage-old-fd", required_argument, NULL, 'o'},
	    {"set", required_argument, NULL, 'S'},
	    {NULL, 0, NULL, 0},
	};
	int option, rc = 0;
	while (rc == 0 && (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
		switch (option) {
		case 'l':
			rc = parse_fd(optarg, &arguments->listen_fd);
			break;
		case 's':
			rc = parse_fd(optarg, &arguments->spawner_fd);
			break;
		case 'c':
			rc = parse_fd(optarg, &arguments->config_fd);
			break;
		case 'd':
			rc = parse_fd(optarg, &arguments->state_fd);
			break;
		case 'm':
			rc = parse_fd(optarg, &arguments->metrics_fd);
			break;
		case 'u':
			rc = parse_fd(optarg, &arguments->usage_fd);
			break;
		case 'o':
			rc = parse_fd(optarg, &arguments->usage_old_fd);
			break;
		case 'S': /* after the file: see read_config */
			break;
		default:
			rc = ERROR_INVALID;
		}
	}
	if (rc == 0 && (optind != argc || arguments->listen_fd < 0 || arguments->spawner_fd < 0 ||
			(arguments->usage_fd < 0) != (arguments->usage_old_fd < 0)))
		rc = ERROR_INVALID;
	if (rc != 0)
		return error_set(err, rc, "wrong command line");
	return 0;
}

/* The file, then each --set in order, then the rules that span settings. */
static int
read_config(int argc, char **argv, struct arguments *arguments, struct error *err)
{
	if (arguments->config_fd >= 0) {
		int rc =
		    config_read_fd(&arguments->config, arguments->config_fd, "configuration", err);
		base_close(&arguments->config_fd);
		if (rc != 0)
			return rc;
	}
	for (int i = 1; i < argc; i++) {
		const char *assignment = NULL;
		if (strncmp(argv[i], "--set=", 6) == 0)
			assignment = argv[i] + 6;
		else if (strcmp(argv[i], "--set") == 0 && i + 1 < argc)
			assignment = argv[++i];
		if (assignment == NULL)
			continue;
		int rc = config_set(&arguments->config, assignment, err);
		if (rc != 0)
			return rc;
	}
	return config_check(&arguments->config, err);
}

static int
raise_descriptor_limit(const struct config *config, struct error *err)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return error_errno(err, "getrlimit");
	uint64_t wanted = config_number(config, connections_max) + DESCRIPTORS_FIXED +
			  (uint64_t)WORKERS_MAX * LISTENER_WORKER_DESCRIPTORS;
	if (limit.rlim_cur >= wanted)
		return 0;
	if (wanted > limit.rlim_max) {
		log_warning("daemon",
			    "the limit of open files is %llu, less than the %llu that "
			    "connections_max asks for",
			    (unsigned long long)limit.rlim_max, (unsigned long long)wanted);
		wanted = limit.rlim_max;
	}
	limit.rlim_cur = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return error_errno(err, "setrlimit of open files");
	return 0;
}

/*
 * What floods of clients made it hold goes back to the system when it is freed: one heap, since
 * what one thread took the other frees; small blocks are joined at once; large ones stand by
 * themselves, whatever was freed before; the heap's end is cut. A C library without a setting, or a
 * sanitizer's, works as well.
 */
static void
tune_library(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MXFAST, 0);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
}

/* Everything that holds for the process as a whole. */
static int
prepare_process(struct error *err)
{
	struct base_slice before;

	if (geteuid() == 0 || getuid() == 0)
		return error_set(err, ERROR_PERMISSION,
				 "stintd refuses to run as root; stint-spawner starts it");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return error_errno(err, "ignore SIGPIPE");
	/* One thread for large lines, beside the loop; read by libuv at its first use. */
	if (setenv("UV_THREADPOOL_SIZE", "1", 1) != 0)
		return error_errno(err, "setenv");
	(void)umask(0077);
	tune_library();
	json_set_alloc_funcs(base_large_malloc, free);
	/* The loop answers and the watchdog looks while jobs have all cores. */
	base_slice_shorten(&before);
	return 0;
}

/* The last before clients: after it nothing is opened but control groups, /dev/null and what is in
 * the state directory. */
static int
confine(int state_fd, struct error *err)
{
#ifdef __SANITIZE_ADDRESS__
	(void)err; /* for tests: the leak check looks into its own process with ptrace */
	log_warning("daemon", "built with AddressSanitizer: stintd is not confined");
	return 0;
#else
	bool landlock;
	int rc = confine_process(state_fd, &landlock, err);
	if (rc == 0 && !landlock)
		log_warning("daemon",
			    "this kernel has no Landlock: stintd itself is confined by its "
			    "account and its system calls only");
	return rc;
#endif
}

static int
start(int argc, char **argv, struct arguments *arguments, struct error *err)
{
	int rc = prepare_process(err);
	if (rc == 0)
		rc = read_config(argc, argv, arguments, err);
	if (rc != 0)
		return rc;
	base_log_init("stintd", (enum log_level)config_number(&arguments->config, log_level));
	rc = raise_descriptor_limit(&arguments->config, err);
	if (rc == 0)
		rc = confine(arguments->state_fd, err);
	if (rc != 0)
		return rc;
	struct daemon_options options = {.listen_fd = arguments->listen_fd,
					 .spawner_fd = arguments->spawner_fd,
					 .state_fd = arguments->state_fd,
					 .metrics_fd = arguments->metrics_fd,
					 .usage_fd = arguments->usage_fd,
					 .usage_old_fd = arguments->usage_old_fd};
	return daemon_run(&arguments->config, &options, err);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = {.listen_fd = -1,
				      .spawner_fd = -1,
				      .config_fd = -1,
				      .state_fd = -1,
				      .metrics_fd = -1,
				      .usage_fd = -1,
				      .usage_old_fd = -1};
	struct error err = ERROR_INIT;
	base_log_init("stintd", LOG_LEVEL_INFO);
	if (parse_arguments(argc, argv, &arguments, &err) != 0) {
		(void)fputs(USAGE, stderr);
		return EXIT_USAGE;
	}
	config_init(&arguments.config);
	int rc = start(argc, argv, &arguments, &err);
	if (rc != 0)
		log_error("daemon", "%s", err.text);
	config_deinit(&arguments.config);
	if (rc == ERROR_UNSUPPORTED)
		return ISOLATION_EXIT_REFUSED;
	return rc == 0 ? EXIT_SUCCESS : EXIT_FATAL;
}
