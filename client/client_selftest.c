/*
 * Runs a table of small attacks against the daemon, one after the other, and says of each whether
 * the sandbox held. An operator's look at a host in production: no load, nothing kept, only what
 * any client may ask for. It shows that the layers are on; the full suite is in tests/hostile.
 *
 * Called by client_main.c. A test that fails is a row of the table and exit status 1; only a daemon
 * that does not answer is an error.
 */
#include "client/client_selftest.h"
#include "client/client_connect.h"
#include "client/client_run.h"
#include "client/client_token.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_SELFTEST_CPU_MS       200
#define CLIENT_SELFTEST_WORK_MS      10000 /* rows that a slow machine must end */
#define CLIENT_SELFTEST_WALL_MS      500   /* where that is what ends it */
#define CLIENT_SELFTEST_LOADED_MS    20000 /* elsewhere: the host may be busy */
#define CLIENT_SELFTEST_MEMORY_BYTES (48 << 20)
#define CLIENT_SELFTEST_OUTPUT_BYTES 10000

static const struct client_selftest TESTS[] = {
#define SELFTEST(name, status, out, shows, source) {name, status, out, shows, source},
#include "client/client_selftest.def"
#undef SELFTEST
};
#define TEST_COUNT (sizeof(TESTS) / sizeof(TESTS[0]))

static bool
client_selftest_is(struct client_json json, const char *text)
{
	size_t size;
	char *bytes = client_json_bytes(json, &size);
	bool same = bytes != NULL && size == strlen(text) && memcmp(bytes, text, size) == 0;

	free(bytes);
	return same;
}

/* What is cut at its cap, or was before a limit, is not compared. */
bool
client_selftest_holds(const struct client_selftest *test, struct client_json result)
{
	if (!client_selftest_is(client_json_member(result, "status"), test->status))
		return false;
	return strcmp(test->status, "ok") != 0 ||
	       client_selftest_is(client_json_member(result, "stdout"), test->out);
}

static char *
client_selftest_request(const struct client_selftest *test, const struct client_options *options,
			struct error *err)
{
	bool waits = strcmp(test->status, "wall_limit") == 0;
	bool spins = strcmp(test->status, "cpu_limit") == 0;
	json_t *request = json_pack(
	    "{s:s, s:i, s:s, s:{s:s, s:s, s:{s:i, s:i, s:i, s:i, s:i}}}", "jsonrpc", "2.0", "id", 1,
	    "method", "job.run", "params", "source", test->source, "name", "selftest", "limits",
	    "cpu_ms", spins ? CLIENT_SELFTEST_CPU_MS : CLIENT_SELFTEST_WORK_MS, "wall_ms",
	    waits ? CLIENT_SELFTEST_WALL_MS : CLIENT_SELFTEST_LOADED_MS, "memory_bytes",
	    CLIENT_SELFTEST_MEMORY_BYTES, "stdout_bytes", CLIENT_SELFTEST_OUTPUT_BYTES,
	    "stderr_bytes", CLIENT_SELFTEST_OUTPUT_BYTES);
	int code = client_token_put(options, json_object_get(request, "params"), err);
	char *line = code == 0 ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (line == NULL && code == 0)
		(void)error_set(err, ERROR_LIMIT, "no memory for a request");
	return line;
}

/* One row: 1 held, 0 did not, negative: no answer. */
static int
client_selftest_one(struct client_connection *connection, const struct client_selftest *test,
		    const struct client_options *options, struct error *err)
{
	char *request = client_selftest_request(test, options, err), *line;
	struct client_json result, found;
	size_t size;
	int code;
	bool held;

	if (request == NULL)
		return err->code;
	code = client_connect_send(connection, request, strlen(request), err);
	if (code == 0)
		code = client_connect_send(connection, "\n", 1, err);
	free(request);
	if (code == 0)
		code = client_connect_line(connection, &line, &size, err);
	if (code < 0)
		return code;
	result = client_json_member((struct client_json){line, size}, "result");
	if (result.size == 0)
		return client_run_refused(line, size, err);
	held = client_selftest_holds(test, result);
	(void)printf("%-6s  %-14s  %s\n", held ? "passed" : "FAILED", test->name, test->shows);
	if (held)
		return 1;
	found = client_json_member(result, "status");
	(void)printf("        expected %s, got %.*s", test->status, (int)found.size, found.at);
	found = client_json_member(result, "stdout");
	(void)printf(", stdout %.*s\n", (int)(found.size < 200 ? found.size : 200), found.at);
	return 0;
}

int
client_selftest(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	size_t passed = 0, done = 0;
	int code;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID, "selftest takes no word");
	code = client_connect(options->socket, &connection, err);
	while (code >= 0 && done < TEST_COUNT) {
		code = client_selftest_one(&connection, &TESTS[done], options, err);
		if (code >= 0) {
			done++;
			passed += (size_t)code;
		}
	}
	client_connect_close(&connection);
	if (code < 0)
		return code;
	(void)printf("%zu passed, %zu failed\n", passed, done - passed);
	if (fflush(stdout) != 0)
		return error_errno(err, "cannot write");
	return passed == TEST_COUNT ? 0 : 1;
}
