/*
 * Asks the daemon, or for one job, and shows the answer in readable form: nested members become
 * indented lines, names ending in a unit become people's units. So it shows whatever the daemon
 * tells, also what it will tell tomorrow.
 *
 * Called by client_main.c. Ends nothing, no job and no daemon, unless asked to. Fails with the
 * daemon's own reason.
 */
#define _GNU_SOURCE
#include "client/client_status.h"
#include "client/client_connect.h"
#include "client/client_json.h"
#include "client/client_print.h"
#include "client/client_request.h"
#include "client/client_run.h"
#include "client/client_units.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_STATUS_NAME_WIDTH 26

int
client_status_ask(struct client_connection *connection, const char *method, const char *job,
		  const struct client_options *options, struct client_json *ret_result,
		  struct error *err)
{
	char *line;
	size_t size;
	int code = client_request_simple(method, job, options, &line, &size, err);

	if (code < 0)
		return code;
	code = client_connect_send(connection, line, size, err);
	free(line);
	if (code == 0)
		code = client_connect_line(connection, &line, &size, err);
	if (code < 0)
		return code;
	*ret_result = client_json_member((struct client_json){line, size}, "result");
	return ret_result->size > 0 ? 0 : client_run_refused(line, size, err);
}

static bool
client_status_ends(const char *name, const char *end)
{
	size_t length = strlen(name), tail = strlen(end);

	return length > tail && strcmp(name + length - tail, end) == 0;
}

static void
client_status_number(const char *name, json_int_t number)
{
	char text[CLIENT_UNITS_BYTES];
	uint64_t value = number < 0 ? 0 : (uint64_t)number;

	if (client_status_ends(name, "_bytes"))
		(void)puts(client_units_size(value, text));
	else if (client_status_ends(name, "_us"))
		(void)puts(client_units_time(value, text));
	else if (client_status_ends(name, "_ms"))
		(void)puts(client_units_time(value * 1000, text));
	else
		(void)printf("%lld\n", (long long)number);
}

/* Whoever answers at the socket may not steer the terminal: plain characters only. */
static void
client_status_text(const char *text)
{
	for (; *text != '\0'; text++)
		(void)putchar(*text >= ' ' && *text <= '~' ? *text : '?');
}

static void
client_status_show(const char *name, json_t *value, int indent)
{
	size_t index, width = indent < CLIENT_STATUS_NAME_WIDTH
				  ? (size_t)(CLIENT_STATUS_NAME_WIDTH - indent)
				  : 0;
	const char *key;
	json_t *item;

	if (json_is_object(value)) {
		if (indent >= 0) {
			(void)printf("%*s", indent, "");
			client_status_text(name);
			(void)puts(":");
		}
		json_object_foreach(value, key, item) client_status_show(key, item, indent + 2);
		return;
	}
	(void)printf("%*s", indent, "");
	client_status_text(name);
	(void)printf("%*s ", (int)(width > strlen(name) ? width - strlen(name) : 0), "");
	if (json_is_integer(value)) {
		client_status_number(name, json_integer_value(value));
	} else if (json_is_string(value)) {
		client_status_text(json_string_value(value));
		(void)puts("");
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, item)
		{
			(void)fputs(index > 0 ? ", " : "", stdout);
			client_status_text(json_is_string(item) ? json_string_value(item) : "...");
		}
		(void)puts("");
	} else if (json_is_boolean(value)) {
		(void)puts(json_is_true(value) ? "yes" : "no");
	} else {
		(void)puts("-");
	}
}

static int
client_status_print(struct client_json result, bool as_json, struct error *err)
{
	json_t *value;

	if (as_json) {
		client_print_json(result);
		return 0;
	}
	value = json_loadb(result.at, result.size, JSON_ALLOW_NUL, NULL);
	if (value == NULL)
		return error_set(err, ERROR_INVALID, "an answer that is not understood");
	client_status_show("", value, -2);
	json_decref(value);
	return fflush(stdout) == 0 ? 0 : error_errno(err, "cannot write");
}

/* Health decides the exit status; info follows for people. */
static int
client_status_daemon(struct client_connection *connection, const struct client_options *options,
		     struct error *err)
{
	struct client_json result;
	int code = client_status_ask(connection, "daemon.health", NULL, options, &result, err);
	bool serves;

	if (code < 0)
		return code;
	serves = client_json_is(client_json_member(result, "status"), "\"ok\"");
	code = client_status_print(result, options->json, err);
	if (code == 0 && !options->json)
		code = client_status_ask(connection, "daemon.info", NULL, options, &result, err);
	if (code == 0 && !options->json)
		code = client_status_print(result, false, err);
	return code < 0 ? code : !serves;
}

int
client_status(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct client_json result;
	int code;

	if (options->word_count > 1)
		return error_set(err, ERROR_INVALID, "status takes one job at most");
	code = client_connect(options->socket, &connection, err);
	if (code == 0 && options->word_count == 0) {
		code = client_status_daemon(&connection, options, err);
	} else if (code == 0) {
		code = client_status_ask(&connection, "job.status", options->words[0], options,
					 &result, err);
		if (code == 0)
			code = client_status_print(result, options->json, err);
	}
	client_connect_close(&connection);
	return code;
}

int
client_status_cancel(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct client_json result;
	int code;

	if (options->word_count != 1)
		return error_set(err, ERROR_INVALID, "cancel which job? Give its id");
	code = client_connect(options->socket, &connection, err);
	if (code == 0)
		code = client_status_ask(&connection, "job.cancel", options->words[0], options,
					 &result, err);
	client_connect_close(&connection);
	return code;
}

/* It closes the connection when its last job has ended and it has said all. */
static int
client_status_await(struct client_connection *connection, struct error *err)
{
	struct error closed = ERROR_INIT;
	char *line;
	size_t size;
	int code;

	do
		code = client_connect_line(connection, &line, &size, &closed);
	while (code == 0);
	if (code == ERROR_CLOSED)
		return 0;
	*err = closed;
	return code;
}

int
client_status_drain(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct client_json result;
	int code;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID, "drain takes no word");
	code = client_connect(options->socket, &connection, err);
	if (code == 0)
		code = client_status_ask(&connection, "daemon.drain", NULL, NULL, &result, err);
	if (code == 0)
		code = client_status_print(result, options->json, err);
	if (code == 0 && options->wait)
		code = client_status_await(&connection, err);
	client_connect_close(&connection);
	return code;
}
