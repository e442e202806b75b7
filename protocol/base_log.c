/*
 * Log records on standard error, one write() each, so that lines of several processes and threads
 * do not mix.
 *
 * Never allocates and never fails: a record that is too long is cut, a standard error that is gone
 * is ignored. Control characters in a record become '?': a record is one line. Program name, level
 * and whether the journal reads are the only state; the level alone may change after the start. The
 * journal keeps time and level by itself: it gets the level as a prefix in its own form, "<3>" for
 * an error, and no time.
 */
#define _GNU_SOURCE
#include "protocol/base_log.h"
#include "protocol/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048
#define LOG_JOURNAL    "/run/systemd/journal/stdout"

/* Globals by need: a log call has no object to find them in. Set by base_log_init, the level by
 * base_log_set_level too. */
static const char *log_program = "stint";
static enum log_level log_level_max = LOG_LEVEL_INFO;
static bool log_to_journal;

static const char *const LOG_LEVEL_NAMES[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

/* Levels of syslog. */
static const int LOG_PRIORITIES[] = {
    [LOG_LEVEL_ERROR] = 3,
    [LOG_LEVEL_WARNING] = 4,
    [LOG_LEVEL_INFO] = 6,
    [LOG_LEVEL_DEBUG] = 7,
};

/* By the other end of standard error: stintd and zygotes have no environment that could tell. */
static bool
log_is_journal(void)
{
	struct sockaddr_un peer = {.sun_family = AF_UNSPEC};
	socklen_t size = sizeof(peer) - 1;
	int saved = errno;
	bool is = getpeername(STDERR_FILENO, (struct sockaddr *)&peer, &size) == 0 &&
		  peer.sun_family == AF_UNIX && strcmp(peer.sun_path, LOG_JOURNAL) == 0;

	errno = saved;
	return is;
}

void
base_log_init(const char *program, enum log_level level)
{
	log_program = program;
	base_log_set_level(level);
	log_to_journal = log_is_journal();
}

void
base_log_set_level(enum log_level level)
{
	__atomic_store_n(&log_level_max, level, __ATOMIC_RELAXED);
}

int
base_log_level_parse(const char *name, enum log_level *ret_level)
{
	for (unsigned i = 0; i < sizeof(LOG_LEVEL_NAMES) / sizeof(LOG_LEVEL_NAMES[0]); i++) {
		if (strcmp(name, LOG_LEVEL_NAMES[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return ERROR_INVALID;
}

/* Length of the text that a snprintf into `space` bytes left there. */
static size_t
log_kept(int wanted, size_t space)
{
	if (wanted < 0)
		return 0;
	return (size_t)wanted < space ? (size_t)wanted : space - 1;
}

/* Everything before the group. */
static size_t
log_head(char line[LOG_LINE_BYTES], enum log_level level)
{
	struct timespec now = {0, 0};
	struct tm tm;
	size_t used;

	if (log_to_journal)
		return log_kept(snprintf(line, LOG_LINE_BYTES, "<%d>%s %s ", LOG_PRIORITIES[level],
					 log_program, LOG_LEVEL_NAMES[level]),
				LOG_LINE_BYTES);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	memset(&tm, 0, sizeof(tm));
	(void)gmtime_r(&now.tv_sec, &tm);
	used = strftime(line, LOG_LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	return used + log_kept(snprintf(line + used, LOG_LINE_BYTES - used, ".%03ldZ %s %s ",
					now.tv_nsec / 1000000, log_program, LOG_LEVEL_NAMES[level]),
			       LOG_LINE_BYTES - used);
}

void
base_log(enum log_level level, const char *group, const char *format, ...)
{
	char line[LOG_LINE_BYTES];
	int saved = errno;
	size_t used;
	va_list args;

	if (level > __atomic_load_n(&log_level_max, __ATOMIC_RELAXED))
		return;
	used = log_head(line, level);
	used += log_kept(snprintf(line + used, sizeof(line) - used, "%s: ", group),
			 sizeof(line) - used);
	errno = saved; /* for a %m */
	va_start(args, format);
	used += log_kept(vsnprintf(line + used, sizeof(line) - used, format, args),
			 sizeof(line) - used);
	va_end(args);
	for (size_t i = 0; i < used; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[used++] = '\n'; /* takes the place of the NUL */
	if (write(STDERR_FILENO, line, used) < 0) {
		/* Nowhere left to say so. */
	}
	errno = saved;
}

int
base_log_allowed(struct log_brake *brake, unsigned per_minute)
{
	struct timespec now = {0, 0};
	unsigned dropped;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (brake->window_s == 0 || now.tv_sec - brake->window_s >= 60) {
		dropped = brake->dropped;
		brake->window_s = now.tv_sec > 0 ? now.tv_sec : 1;
		brake->count = 0;
		brake->dropped = 0;
		if (dropped > 0)
			base_log(LOG_LEVEL_WARNING, "log", "%u lines of the next kind left out",
				 dropped);
	}
	if (brake->count >= per_minute) {
		brake->dropped++;
		return 0;
	}
	brake->count++;
	return 1;
}

char *
base_log_quote(const void *bytes, size_t length, char *ret, size_t size)
{
	static const char HEX[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	size_t used = 0;

	if (size == 0)
		return ret;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = from[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		if (used + (plain ? 1u : 4u) >= size)
			break;
		if (plain) {
			ret[used++] = (char)c;
			continue;
		}
		ret[used++] = '\\';
		ret[used++] = 'x';
		ret[used++] = HEX[c >> 4];
		ret[used++] = HEX[c & 15];
	}
	ret[used] = '\0';
	return ret;
}
