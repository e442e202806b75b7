/*
 * Jobs that the daemon keeps: handed over, waited for, looked at.
 *
 * A result is shown as `stint run` shows it, and gives the same exit status. Called by
 * client_main.c; fails with the daemon's own reason.
 */
#define _GNU_SOURCE
#include "client/client_jobs.h"
#include "client/client_connect.h"
#include "client/client_exit.h"
#include "client/client_json.h"
#include "client/client_print.h"
#include "client/client_request.h"
#include "client/client_run.h"
#include "client/client_token.h"
#include "client/client_units.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_JOBS_PAGE         1000
#define CLIENT_JOBS_TIMEOUT_UNIT "ms"

/* Takes params over. The result is borrowed from the connection until its next line. */
static int
client_jobs_ask(struct client_connection *connection, const struct client_options *options,
		const char *method, json_t *params, struct client_json *ret_result,
		struct error *err)
{
	int code = params != NULL ? client_token_put(options, params, err) : 0;

	if (code < 0) {
		json_decref(params);
		return code;
	}
	json_t *request = json_pack("{s:s,s:i,s:s,s:o}", "jsonrpc", "2.0", "id", 1, "method",
				    method, "params", params);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL, *line = NULL;
	size_t size;
	int length = text != NULL ? asprintf(&line, "%s\n", text) : -1;

	free(text);
	json_decref(request);
	if (length < 0)
		return error_set(err, ERROR_INVALID, "an argument is not UTF-8");
	code = client_connect_send(connection, line, (size_t)length, err);
	free(line);
	if (code == 0)
		code = client_connect_line(connection, &line, &size, err);
	if (code < 0)
		return code;
	*ret_result = client_json_member((struct client_json){line, size}, "result");
	return ret_result->size > 0 ? 0 : client_run_refused(line, size, err);
}

int
client_jobs_submit(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct client_json result = {NULL, 0}, job;
	char *line = NULL;
	size_t size = 0;
	int code = client_request_job("job.submit", options, &line, &size, err);

	if (code == 0)
		code = client_connect(options->socket, &connection, err);
	if (code == 0)
		code = client_connect_send(&connection, line, size, err);
	free(line);
	if (code == 0)
		code = client_connect_line(&connection, &line, &size, err);
	if (code == 0) {
		result = client_json_member((struct client_json){line, size}, "result");
		job = client_json_member(result, "job");
		if (job.size < 2)
			code = client_run_refused(line, size, err);
		else if (options->json)
			client_print_json(result);
		else
			(void)printf("%.*s\n", (int)job.size - 2, job.at + 1);
	}
	client_connect_close(&connection);
	return code;
}

static int
client_jobs_show(const struct client_options *options, const char *method, json_t *params,
		 struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct client_json result;
	int code = client_connect(options->socket, &connection, err);

	if (code == 0)
		code = client_jobs_ask(&connection, options, method, params, &result, err);
	else
		json_decref(params);
	if (code == 0 && client_json_member(result, "status").size == 0) {
		struct client_json state = client_json_member(result, "state");

		if (options->json)
			client_print_json(result);
		client_print_error("the job has not ended: it is %.*s",
				   state.size > 2 ? (int)state.size - 2 : 0,
				   state.size > 2 ? state.at + 1 : "");
		code = CLIENT_EXIT_DAEMON;
	} else if (code == 0) {
		code = client_run_show(options, result, err);
	}
	client_connect_close(&connection);
	return code;
}

int
client_jobs_wait(const struct client_options *options, struct error *err)
{
	uint64_t timeout_ms = 0;
	json_t *params;

	if (options->word_count != 1)
		return error_set(err, ERROR_INVALID, "wait for which job? Give its id");
	if (options->timeout != NULL) {
		int code = client_units_parse(options->timeout, CLIENT_JOBS_TIMEOUT_UNIT,
					      &timeout_ms, err);

		if (code < 0)
			return error_wrap(err, "--timeout");
		params = json_pack("{s:s,s:I}", "job", options->words[0], "timeout_ms",
				   (json_int_t)timeout_ms);
	} else {
		params = json_pack("{s:s}", "job", options->words[0]);
	}
	return client_jobs_show(options, "job.wait", params, err);
}

int
client_jobs_result(const struct client_options *options, struct error *err)
{
	if (options->word_count != 1)
		return error_set(err, ERROR_INVALID, "the result of which job? Give its id");
	return client_jobs_show(options, "job.result", json_pack("{s:s}", "job", options->words[0]),
				err);
}

/* Plain characters only: whoever answers may not steer the terminal. */
static void
client_jobs_text(const json_t *value, int width)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "-";
	int length = 0;

	for (; *text != '\0'; text++, length++)
		(void)putchar(*text >= ' ' && *text <= '~' ? *text : '?');
	(void)printf("%*s", width > length ? width - length : 0, "");
}

static void
client_jobs_print(const json_t *page, bool first)
{
	size_t index;
	json_t *job;

	if (first)
		(void)printf("%-32s  %-7s  %-18s  %8s  %s\n", "JOB", "STATE", "STATUS", "ATTEMPTS",
			     "TAG");
	json_array_foreach(json_object_get(page, "jobs"), index, job)
	{
		client_jobs_text(json_object_get(job, "job"), 34);
		client_jobs_text(json_object_get(job, "state"), 9);
		client_jobs_text(json_object_get(job, "status"), 18);
		(void)printf("  %8lld  ",
			     (long long)json_integer_value(json_object_get(job, "attempts")));
		client_jobs_text(json_object_get(job, "tag"), 0);
		(void)puts("");
	}
}

static json_t *
client_jobs_filter(const struct client_options *options, json_t *cursor)
{
	json_t *params = json_pack("{s:i}", "limit", CLIENT_JOBS_PAGE);

	if (options->state != NULL)
		(void)json_object_set_new(params, "state", json_string(options->state));
	if (options->tag != NULL)
		(void)json_object_set_new(params, "tag", json_string(options->tag));
	if (cursor != NULL)
		(void)json_object_set(params, "cursor", cursor);
	return params;
}

int
client_jobs_list(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct client_json result;
	json_t *page = NULL, *cursor = NULL;
	bool first = true;
	int code;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID, "list takes no word: see `stint help list`");
	code = client_connect(options->socket, &connection, err);
	while (code == 0 && (first || json_is_string(cursor))) {
		code = client_jobs_ask(&connection, options, "job.list",
				       client_jobs_filter(options, cursor), &result, err);
		if (code < 0)
			break;
		json_decref(page);
		page = json_loadb(result.at, result.size, 0, NULL);
		cursor = json_object_get(page, "cursor");
		if (page == NULL)
			code = error_set(err, ERROR_INVALID, "an answer that is not understood");
		else if (options->json)
			client_print_json(client_json_member(result, "jobs"));
		else
			client_jobs_print(page, first);
		first = false;
	}
	json_decref(page);
	client_connect_close(&connection);
	if (code == 0 && fflush(stdout) != 0)
		return error_errno(err, "cannot write");
	return code;
}
