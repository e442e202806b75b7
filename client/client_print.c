/*
 * Writes to the user's standard output and error.
 *
 * Called by client_run.c and client_status.c. A job's bytes go out unbuffered and untouched, in the
 * order they came. Our own lines begin with "stint: ". Nobody reading is not an error to report:
 * the process just ends.
 */
#define _GNU_SOURCE
#include "client/client_print.h"
#include "client/client_exit.h"
#include "client/client_units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Text of others on a terminal: controls become '?', those that UTF-8 has at U+0080 too, so a line
 * stays a line.
 */
static void
client_print_tidy(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
		bool late = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;

		if (late)
			at[1] = '?';
		if (late || *at < 0x20 || *at == 0x7f)
			*at = '?';
	}
}

void
client_print_error(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text != NULL)
		client_print_tidy(text);
	(void)fprintf(stderr, "stint: %s\n", text != NULL ? text : format);
	free(text);
}

void
client_print_bytes(int stream, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(stream, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			client_print_error("cannot write the job's output: %s", strerror(errno));
			exit(CLIENT_EXIT_DAEMON);
		}
		bytes += written;
		size -= (size_t)written;
	}
}

void
client_print_json(struct client_json json)
{
	client_print_bytes(STDOUT_FILENO, json.at, json.size);
	client_print_bytes(STDOUT_FILENO, "\n", 1);
}

static uint64_t
client_print_number(struct client_json usage, const char *name)
{
	return client_json_number(client_json_member(usage, name), 0);
}

void
client_print_usage(const char *status, struct client_json usage)
{
	char cpu[CLIENT_UNITS_BYTES], wall[CLIENT_UNITS_BYTES], queue[CLIENT_UNITS_BYTES];
	char peak[CLIENT_UNITS_BYTES], base[CLIENT_UNITS_BYTES];
	char out[CLIENT_UNITS_BYTES], err[CLIENT_UNITS_BYTES], held[CLIENT_UNITS_BYTES];
	uint64_t held_us = client_print_number(usage, "throttled_us");

	client_print_error(
	    "%s: cpu %s, wall %s, queue %s, memory %s (interpreter %s), stdout %s, stderr %s, "
	    "opcodes %" PRIu64 "%s%s",
	    status, client_units_time(client_print_number(usage, "cpu_us"), cpu),
	    client_units_time(client_print_number(usage, "wall_us"), wall),
	    client_units_time(client_print_number(usage, "queue_us"), queue),
	    client_units_size(client_print_number(usage, "memory_peak_bytes"), peak),
	    client_units_size(client_print_number(usage, "memory_baseline_bytes"), base),
	    client_units_size(client_print_number(usage, "stdout_bytes"), out),
	    client_units_size(client_print_number(usage, "stderr_bytes"), err),
	    client_print_number(usage, "opcodes"), held_us > 0 ? ", throttled " : "",
	    held_us > 0 ? client_units_time(held_us, held) : "");
}

void
client_print_reason(const char *status, int signal, struct client_json error)
{
	const char *reason = client_exit_reason(status);
	size_t size = 0;
	char *message;

	if (strcmp(status, "ok") == 0)
		return;
	if (signal > 0 && reason == NULL) {
		client_print_error("%s: died by signal %d (%s)", status, signal, strsignal(signal));
		return;
	}
	message = client_json_bytes(client_json_member(error, "message"), &size);
	if (reason != NULL && message != NULL && size > 0)
		client_print_error("%s: %s (%.300s)", status, reason, message);
	else if (reason != NULL)
		client_print_error("%s: %s", status, reason);
	free(message);
}
