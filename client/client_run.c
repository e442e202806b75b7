/*
 * Runs one job and passes its output through.
 *
 * Called by client_main.c. Streams with job.output notifications unless --json asks for the whole
 * result; what the notifications left out is taken from the result. An interrupt ends the process
 * at once: the connection closes with it, and the daemon cancels the job.
 */
#define _GNU_SOURCE
#include "client/client_run.h"
#include "client/client_connect.h"
#include "client/client_exit.h"
#include "client/client_files.h"
#include "client/client_json.h"
#include "client/client_print.h"
#include "client/client_request.h"
#include "client/client_trace.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENT_RUN_STATUS_BYTES 64

/* Bytes of stdout and stderr (by descriptor) that notifications have brought. */
struct client_run_seen {
	size_t bytes[3];
};

static void
client_run_interrupted(int signal)
{
	static const char TEXT[] = "stint: interrupted, the job is cancelled\n";

	(void)signal;
	if (write(STDERR_FILENO, TEXT, sizeof(TEXT) - 1) < 0)
		_exit(CLIENT_EXIT_INTERRUPTED);
	_exit(CLIENT_EXIT_INTERRUPTED);
}

int
client_run_refused(const char *line, size_t size, struct error *err)
{
	struct client_json answer = {line, size};
	struct client_json error = client_json_member(answer, "error");
	struct client_json data = client_json_member(error, "data");
	char *message, *reason;
	size_t length;
	int code;

	message = client_json_bytes(client_json_member(error, "message"), &length);
	reason = client_json_bytes(client_json_member(data, "reason"), &length);
	if (message == NULL)
		code =
		    error_set(err, ERROR_INVALID, "an answer that is not understood: %.100s", line);
	else if (reason != NULL)
		code = error_set(err, ERROR_INVALID, "refused: %s (%s)", message, reason);
	else
		code = error_set(err, ERROR_INVALID, "refused: %s", message);
	free(message);
	free(reason);
	return code;
}

static int
client_run_stream(struct client_json stream)
{
	return client_json_is(stream, "\"stderr\"") || client_json_is(stream, "2") ? STDERR_FILENO
										   : STDOUT_FILENO;
}

static void
client_run_output(struct client_json params, struct client_run_seen *seen)
{
	int stream = client_run_stream(client_json_member(params, "stream"));
	struct client_json data = client_json_member(params, "data");
	size_t size;
	char *bytes;

	bytes = client_json_bytes(data, &size);
	if (bytes == NULL)
		return;
	client_print_bytes(stream, bytes, size);
	seen->bytes[stream] += size;
	free(bytes);
}

/* The part of a result's stdout or stderr that was not streamed. */
static void
client_run_rest(struct client_json result, const char *name, int stream,
		const struct client_run_seen *seen)
{
	size_t size;
	char *bytes = client_json_bytes(client_json_member(result, name), &size);

	if (bytes != NULL && size > seen->bytes[stream])
		client_print_bytes(stream, bytes + seen->bytes[stream], size - seen->bytes[stream]);
	free(bytes);
}

static void
client_run_values(const struct client_options *options, struct client_json result)
{
	struct client_json value = client_json_member(result, "value");
	struct client_json vars = client_json_member(result, "vars");

	/* Of a stored job nobody says here what was asked for: show what there is. */
	bool has_value = options->eval || options->entry != NULL ||
			 (options->stored && !client_json_is(value, "null"));
	bool has_vars =
	    options->output_count > 0 || (options->stored && !client_json_is(vars, "{}"));

	if (has_value && value.size > 0)
		client_print_json(value);
	if (has_vars && vars.size > 0)
		client_print_json(vars);
}

static int
client_run_result(const struct client_options *options, struct client_json result,
		  const struct client_run_seen *seen, struct error *err)
{
	char status[CLIENT_RUN_STATUS_BYTES] = "";
	struct client_json text = client_json_member(result, "status");
	int exit_code, signal;

	if (text.size >= 2 && text.size - 2 < sizeof(status))
		memcpy(status, text.at + 1, text.size - 2);
	exit_code = (int)client_json_number(client_json_member(result, "exit_code"), 0);
	signal = (int)client_json_number(client_json_member(result, "signal"), 0);
	if (options->json) {
		client_print_json(result);
	} else {
		client_run_rest(result, "stdout", STDOUT_FILENO, seen);
		client_run_rest(result, "stderr", STDERR_FILENO, seen);
		if (strcmp(status, "ok") == 0)
			client_run_values(options, result);
		if (client_json_is(client_json_member(result, "trace_truncated"), "true"))
			client_print_error("the trace is not complete: see --trace-events");
		client_print_reason(status, signal, client_json_member(result, "error"));
	}
	if (options->usage)
		client_print_usage(status, client_json_member(result, "usage"));
	if (options->out != NULL) {
		int code = client_files_write(client_json_member(result, "files"), options->out,
					      options->collect, options->collect_count, err);

		if (code < 0)
			return code;
	}
	return client_exit_code(status, exit_code, signal);
}

int
client_run_show(const struct client_options *options, struct client_json result, struct error *err)
{
	struct client_run_seen nothing = {{0}};

	return client_run_result(options, result, &nothing, err);
}

static int
client_run_answers(const struct client_options *options, struct client_connection *connection,
		   struct error *err)
{
	struct client_run_seen seen = {{0}};
	struct client_trace trace = CLIENT_TRACE_INIT;

	for (;;) {
		struct client_json answer, result;
		size_t size;
		char *line;
		int code = client_connect_line(connection, &line, &size, err);

		if (code < 0)
			return code;
		answer = (struct client_json){line, size};
		if (client_json_is(client_json_member(answer, "method"), "\"job.output\"")) {
			client_run_output(client_json_member(answer, "params"), &seen);
			continue;
		}
		if (client_json_is(client_json_member(answer, "method"), "\"job.trace\"")) {
			client_trace_events(
			    &trace,
			    client_json_member(client_json_member(answer, "params"), "events"));
			continue;
		}
		result = client_json_member(answer, "result");
		if (result.size > 0)
			return client_run_result(options, result, &seen, err);
		if (client_json_member(answer, "error").size > 0)
			return client_run_refused(line, size, err);
	}
}

int
client_run(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct sigaction interrupt = {.sa_handler = client_run_interrupted};
	char *line = NULL;
	size_t size = 0;
	int code;

	(void)sigaction(SIGINT, &interrupt, NULL);
	code = client_request_run(options, &line, &size, err);
	if (code == 0)
		code = client_connect(options->socket, &connection, err);
	if (code == 0)
		code = client_connect_send(&connection, line, size, err);
	free(line);
	if (code == 0)
		code = client_run_answers(options, &connection, err);
	client_connect_close(&connection);
	return code;
}
