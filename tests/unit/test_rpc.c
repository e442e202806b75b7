/*
 * rpc.c and the methods: what is refused and how, who may cancel what, what the daemon tells of
 * itself.
 */
#include "daemon/metrics.h"
#include "front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL(id, method, params)                                                                   \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}\n"
#define RUN(id) CALL(id, "job.run", "{\"source\":\"x\"}")

struct refused {
	const char *line;
	int code;
	const char *reason;
	const char *id;
};

static const struct refused REFUSED[] = {
    {"{", -32700, NULL, "null"},
    {"nonsense\n", -32700, NULL, "null"},
    {"\"\xc3\"\n", -32700, NULL, "null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"\xed\xa0\x80\",\"method\":\"daemon.info\"}\n", -32700, NULL,
     "null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"daemon.info\"}\n", -32700, NULL, "null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\",\"params\":{\"a\":1e999}}\n", -32700,
     NULL, "null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\",\"params\":{\"a\":NaN}}\n", -32700,
     NULL, "null"},
    {"[" RUN("1") "\n", -32700, NULL, "null"},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\"}]\n", -32600, NULL, "null"},
    {"[]\n", -32600, NULL, "null"},
    {"7\n", -32600, NULL, "null"},
    {"{\"id\":1,\"method\":\"daemon.info\"}\n", -32600, NULL, "1"},
    {"{\"jsonrpc\":\"1.0\",\"id\":\"a\",\"method\":\"daemon.info\"}\n", -32600, NULL, "\"a\""},
    {"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"daemon.info\"}\n", -32600, NULL, "null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"daemon.info\"}\n", -32600, NULL, "null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":3}\n", -32600, NULL, "3"},
    {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":5}\n", -32600, NULL, "3"},
    {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"daemon.info\",\"extra\":1}\n", -32600, NULL, "3"},
    {CALL("4", "daemon.info", "[1]"), -32602, NULL, "4"},
    {CALL("4", "no.such", "{}"), -32601, NULL, "4"},
    {CALL("4", "", "{}"), -32601, NULL, "4"},
    {CALL("4", "job.ru\\u0000n", "{}"), -32601, NULL, "4"},
    {CALL("5", "daemon.info", "{\"x\":1}"), -32602, NULL, "5"},
    {CALL("5", "daemon.health", "{\"x\":1}"), -32602, NULL, "5"},
    {CALL("6", "job.run", "{}"), -32602, NULL, "6"},
    {CALL("6", "job.run", "{\"source\":1}"), -32602, NULL, "6"},
    {CALL("6", "job.run", "{\"source\":\"x\",\"colour\":\"red\"}"), -32602, NULL, "6"},
    {CALL("6", "job.run", "{\"source\":\"x\",\"limits\":{\"cpu_ms\":-1}}"), -32602, NULL, "6"},
    {CALL("6", "job.run", "{\"source\":\"x\",\"limits\":{\"cpu_ms\":0}}"), -32602, NULL, "6"},
    {CALL("6", "job.run", "{\"source\":\"x\",\"limits\":{\"cpu_ms\":\"10\"}}"), -32602, NULL, "6"},
    {CALL("6", "job.run", "{\"source\":\"x\",\"limits\":{\"cpu_ms\":60001}}"), -32002,
     "limit_too_high", "6"},
    {CALL("7", "job.cancel", "{}"), -32602, NULL, "7"},
    {CALL("7", "job.cancel", "{\"job\":5}"), -32602, NULL, "7"},
    {CALL("7", "job.cancel", "{\"job\":\"a\\u0000\"}"), -32602, NULL, "7"},
    {CALL("7", "job.cancel", "{\"job\":\"x\",\"id\":1}"), -32602, NULL, "7"},
    {CALL("7", "job.cancel", "{\"jib\":\"x\"}"), -32602, NULL, "7"},
    {CALL("7", "job.cancel", "{\"job\":\"x\"}"), -32003, "not_found", "7"},
    {CALL("7", "job.cancel", "{\"id\":\"x\"}"), -32003, "not_found", "7"},
    {CALL("8", "job.status", "{\"id\":1}"), -32602, NULL, "8"},
    {CALL("8", "job.status", "{\"job\":\"x\"}"), -32003, "not_found", "8"},
};

static void
test_refusals_have_code_reason_and_id(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
		const struct refused *r = &REFUSED[i];
		struct client *client = front_connect(front, FRONT_UID);
		client_say(front, client, r->line);
		client_half_close(client);
		client_expect_error(front, client, r->code, r->reason, r->id);
		free(client_rest(front, client));
		client_free(&client);
	}
	assert_int_equal(front->engine->count, 0);
	front_free(&front);
}

static void
test_depth(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	/* The object, params, inputs and the value's arrays: 3 + n levels. */
	for (unsigned arrays = 29; arrays <= 30; arrays++) {
		char line[400];
		char open[32], closing[32];
		memset(open, '[', arrays);
		memset(closing, ']', arrays);
		(void)snprintf(
		    line, sizeof(line),
		    CALL("1", "job.run", "{\"source\":\"x\",\"inputs\":{\"a\":%.*s%.*s}}"),
		    (int)arrays, open, (int)arrays, closing);
		client_say(front, client, line);
		if (arrays == 29)
			front_wait_jobs(front, 1);
		else
			client_expect_error(front, client, -32700, NULL, "null");
	}
	client_free(&client);
	front_free(&front);
}

static void
test_run_and_duplicates(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	struct client *other = front_connect(front, FRONT_UID);
	client_say(front, client, RUN("\"a\"") RUN("\"\\u0061\""));
	client_expect_error(front, client, -32007, "duplicate_id", "\"a\"");
	client_say(front, other, RUN("\"a\""));
	front_wait_jobs(front, 2);
	fake_engine_finish(front->engine, 0, "one", 3);
	json_t *answer = client_json(front, client);
	assert_string_equal(json_string_value(json_object_get(answer, "id")), "a");
	json_t *result = json_object_get(answer, "result");
	assert_string_equal(json_string_value(json_object_get(result, "stdout")), "one");
	assert_string_equal(json_string_value(json_object_get(result, "job")),
			    front->engine->jobs[0].id);
	json_decref(answer);
	client_say(front, client, RUN("\"a\""));
	front_wait_jobs(front, 3);
	client_free(&client);
	client_free(&other);
	front_free(&front);
}

static void
test_engine_refusals(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	front->engine->full = true;
	client_say(front, client, RUN("1"));
	client_expect_error(front, client, -32000, "queue_full", "1");
	front->engine->refusal = (struct engine_refusal){ENGINE_QUOTA, 4711};
	client_say(front, client, RUN("1"));
	client_expect_error(front, client, -32001, "quota_exceeded", "1");
	front->engine->refusal = (struct engine_refusal){ENGINE_TOO_LARGE, 0};
	client_say(front, client, RUN("1"));
	client_expect_error(front, client, -32005, "too_large", "1");
	front->engine->full = false;
	client_say(front, client, RUN("1"));
	front_wait_jobs(front, 1);
	front->engine->draining = true;
	front->engine->drained = true;
	client_say(front, client, RUN("2"));
	client_expect_error(front, client, -32006, "draining", "2");
	client_free(&client);
	front_free(&front);
}

static void
say_job(struct front *front, struct client *client, const char *method, const char *job)
{
	char line[200];
	(void)snprintf(line, sizeof(line), CALL("9", "%s", "{\"job\":\"%s\"}"), method, job);
	client_say(front, client, line);
}

static void
test_who_may_cancel(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *owner = front_connect(front, FRONT_UID);
	struct client *same = front_connect(front, FRONT_UID);
	struct client *foreign = front_connect(front, FRONT_UID + 1);
	struct client *root = front_connect(front, 0);
	client_say(front, owner, RUN("1") RUN("2") RUN("3"));
	front_wait_jobs(front, 3);
	const char *job = front->engine->jobs[0].id;
	say_job(front, foreign, "job.cancel", job);
	client_expect_error(front, foreign, -32003, "not_found", "9");
	say_job(front, foreign, "job.status", job);
	client_expect_error(front, foreign, -32003, "not_found", "9");
	client_say(front, foreign, CALL("9", "job.cancel", "{\"id\":1}"));
	client_expect_error(front, foreign, -32003, "not_found", "9");
	assert_false(front->engine->jobs[0].cancelled);
	say_job(front, root, "job.status", job);
	char *text = client_result_text(front, root, "state");
	assert_string_equal(text, "running");
	free(text);
	say_job(front, same, "job.cancel", job);
	text = client_result_text(front, same, "job");
	assert_string_equal(text, job);
	free(text);
	text = client_result_text(front, owner, "status");
	assert_string_equal(text, "cancelled");
	free(text);
	say_job(front, same, "job.cancel", job);
	client_expect_error(front, same, -32003, "not_found", "9");
	client_say(front, owner, CALL("9", "job.cancel", "{\"id\":2}"));
	for (int i = 0; i < 2; i++)
		free(client_line(front, owner));
	assert_true(front->engine->jobs[1].cancelled);
	say_job(front, root, "job.cancel", front->engine->jobs[2].id);
	text = client_result_text(front, owner, "status");
	assert_string_equal(text, "cancelled");
	free(text);
	client_free(&owner);
	client_free(&same);
	client_free(&foreign);
	client_free(&root);
	front_free(&front);
}

static void
test_notifications_are_not_answered(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client, RUN("1"));
	front_wait_jobs(front, 1);
	client_say(front, client,
		   "{\"jsonrpc\":\"2.0\",\"method\":\"job.run\",\"params\":{\"source\":\"x\"}}\n"
		   "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.info\"}\n"
		   "{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}\n"
		   "{\"jsonrpc\":\"2.0\",\"method\":\"job.cancel\",\"params\":{\"id\":1}}\n" CALL(
		       "\"end\"", "daemon.nope", "{}"));
	unsigned errors = 0, results = 0;
	for (int i = 0; i < 2; i++) {
		json_t *answer = client_json(front, client);
		errors += json_object_get(answer, "error") != NULL;
		results += json_object_get(answer, "result") != NULL;
		json_decref(answer);
	}
	assert_int_equal(errors, 1);
	assert_int_equal(results, 1);
	assert_int_equal(front->engine->count, 1);
	client_half_close(client);
	assert_null(client_line(front, client));
	client_free(&client);
	front_free(&front);
}

static json_t *
ask(struct front *front, struct client *client, const char *method)
{
	char line[100];
	(void)snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\n",
		       method);
	client_say(front, client, line);
	json_t *answer = client_json(front, client);
	json_t *result = json_incref(json_object_get(answer, "result"));
	assert_non_null(result);
	json_decref(answer);
	return result;
}

static void
test_daemon_tells_of_itself(void **state)
{
	(void)state;
	static const char *const SETTINGS[] = {"default_cpu_ms=1234", "request_bytes_max=8192",
					       NULL};
	struct front *front = front_new(SETTINGS);
	struct client *client = front_connect(front, 0);
	json_t *info = ask(front, client, "daemon.info");
	int cpu_ms, request_bytes_max, stream, submit;
	const char *name, *python;
	json_int_t max;
	assert_int_equal(
	    json_unpack(info, "{s:s, s:{s:s}, s:{s:{s:i}, s:{s:I}}, s:{s:i}, s:{s:b, s:b}}", "name",
			&name, "runtimes", "python", &python, "limits", "default", "cpu_ms",
			&cpu_ms, "max", "memory_bytes", &max, "settings", "request_bytes_max",
			&request_bytes_max, "features", "stream", &stream, "submit", &submit),
	    0);
	assert_string_equal(name, "stint");
	assert_string_equal(python, "3.11.2");
	assert_int_equal(cpu_ms, 1234);
	assert_int_equal(max, 2147483648);
	assert_int_equal(request_bytes_max, 8192);
	assert_true(stream && !submit);
	assert_int_equal(json_array_size(json_object_get(info, "methods")),
			 METRICS_METHOD_COUNT - 1); /* one is for what is no method */
	assert_int_equal(json_array_size(json_object_get(info, "isolation")),
			 1 + ISOLATION_LAYER_COUNT - 1); /* the cgroup version; all but landlock */
	assert_string_equal(json_string_value(json_object_get(info, "isolation_level")), "reduced");
	json_t *missing = json_object_get(info, "isolation_missing");
	assert_int_equal(json_array_size(missing), 1);
	assert_string_equal(json_string_value(json_array_get(missing, 0)), "landlock");
	json_decref(info);
	json_t *health = ask(front, client, "daemon.health");
	assert_string_equal(json_string_value(json_object_get(health, "status")), "starting");
	json_decref(health);
	front->rpc.ready = true;
	health = ask(front, client, "daemon.health");
	int ready, ok;
	const char *status;
	assert_int_equal(json_unpack(health, "{s:s, s:{s:i}, s:{s:i}}", "status", &status,
				     "workers", "ready", &ready, "ended", "ok", &ok),
			 0);
	assert_string_equal(status, "ok");
	assert_int_equal(ready, 4);
	assert_int_equal(ok, 5);
	json_decref(health);
	front->engine->draining = front->engine->drained = true;
	health = ask(front, client, "daemon.health");
	assert_string_equal(json_string_value(json_object_get(health, "status")), "draining");
	json_decref(health);
	client_free(&client);
	front_free(&front);
}

static void
test_drain_is_the_operators(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *root = front_connect(front, 0);
	struct client *plain = front_connect(front, FRONT_UID);
	client_say(front, plain, CALL("1", "daemon.drain", "{}"));
	client_expect_error(front, plain, -32004, "not_permitted", "1");
	client_say(front, root, CALL("2", "daemon.drain", "{\"now\":true}"));
	client_expect_error(front, root, -32602, NULL, "2");
	front->engine->lost = true;
	client_say(front, root, CALL("3", "daemon.drain", "{}"));
	client_expect_error(front, root, -32603, NULL, "3");
	assert_int_equal(front->engine->drains_asked, 0);
	front->engine->lost = false;
	front->engine->drained = true; /* and have the daemon stay */
	char *status = NULL;
	client_say(front, root, CALL("4", "daemon.drain", "{}"));
	status = client_result_text(front, root, "status");
	assert_string_equal(status, "draining");
	free(status);
	assert_int_equal(front->engine->drains_asked, 1);
	client_say(front, plain, RUN("5"));
	client_expect_error(front, plain, -32006, "draining", "5");
	client_free(&plain);
	client_free(&root);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refusals_have_code_reason_and_id),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_run_and_duplicates),
	    cmocka_unit_test(test_engine_refusals),
	    cmocka_unit_test(test_who_may_cancel),
	    cmocka_unit_test(test_notifications_are_not_answered),
	    cmocka_unit_test(test_daemon_tells_of_itself),
	    cmocka_unit_test(test_drain_is_the_operators),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
