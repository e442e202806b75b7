/*
 * Tenants over real connections with a fake engine: whose a request is, what others see of it,
 * limits, what gateways may, operators, tenant.usage, a change of tables under open connections.
 */
#include "front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATEWAY  2000
#define OPERATOR 900
#define ALICE    1000
#define ALICE_2  1001 /* another account of the same tenant */
#define BOB      1002

static const char TEXT[] =
    "operators = 900\n"
    "[tenant a]\nusers = 1000 1001\nmax_cpu_ms = 3s\ndefault_cpu_ms = 500ms\nweight = 4\n"
    "cpu_per_minute = 90s\n"
    "token_sha256 = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"
    "[tenant b]\nusers = 1002\n"
    "token_sha256 = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
    "[tenant g]\nusers = 2000\ngateway = yes\n";

static void
say(struct front *front, struct client *client, int id, const char *method, const char *params)
{
	char line[1024];
	(void)snprintf(line, sizeof(line),
		       "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}\n", id,
		       method, params);
	client_say(front, client, line);
}

/* The answer's error text (reason and message), or "ok". The caller's to free. */
static char *
heard(struct front *front, struct client *client)
{
	json_t *answer = client_json(front, client);
	json_t *error = json_object_get(answer, "error");
	const char *reason =
	    json_string_value(json_object_get(json_object_get(error, "data"), "reason"));
	char text[512] = "ok";
	if (error)
		(void)snprintf(text, sizeof(text), "%s: %s", reason ? reason : "-",
			       json_string_value(json_object_get(error, "message")));
	json_decref(answer);
	return strdup(text);
}

static void
expect(struct front *front, struct client *client, const char *method, const char *params,
       const char *text)
{
	say(front, client, 77, method, params);
	char *got = heard(front, client);
	if (strncmp(got, text, strlen(text)) != 0)
		fail_msg("%s %s: %s", method, params, got);
	free(got);
}

static struct fake_job *
run_job(struct front *front, struct client *client, int id, const char *params)
{
	size_t count = front->engine->count;
	say(front, client, id, "job.run", params);
	front_wait_jobs(front, count + 1);
	return &front->engine->jobs[count];
}

static void
test_others_jobs_do_not_exist(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *alice = front_connect(front, ALICE), *same = front_connect(front, ALICE_2);
	struct client *bob = front_connect(front, BOB), *other = front_connect(front, 5);
	struct client *root = front_connect(front, 0), *boss = front_connect(front, OPERATOR);
	const struct fake_job *job = run_job(front, alice, 1, "{\"source\":\"x\"}");
	assert_string_equal(job->terms.name, "a");
	assert_int_equal(tenant_number(&job->terms, weight), 4);
	char params[100], nobodys[100];
	(void)snprintf(params, sizeof(params), "{\"job\":\"%s\"}", job->id);
	(void)snprintf(nobodys, sizeof(nobodys), "{\"job\":\"%032x\"}", 0xabcu);
	static const char *const METHODS[] = {"job.status", "job.cancel"};
	for (size_t i = 0; i < 2; i++) {
		/* root is nothing special where it is no operator */
		struct client *strangers[] = {bob, other, root};
		for (size_t k = 0; k < 3; k++) {
			say(front, strangers[k], 1, METHODS[i], params);
			char *got = heard(front, strangers[k]);
			say(front, strangers[k], 2, METHODS[i], nobodys);
			char *missing = heard(front, strangers[k]);
			assert_string_equal(got, "not_found: no such job");
			assert_string_equal(got, missing);
			free(got);
			free(missing);
		}
	}
	expect(front, same, "job.status", params, "ok");
	expect(front, boss, "job.status", params, "ok");
	assert_false(job->cancelled);
	expect(front, same, "job.cancel", params, "ok");
	assert_true(job->cancelled);
	struct client *all[] = {alice, same, bob, other, root, boss};
	for (size_t i = 0; i < 6; i++)
		client_free(&all[i]);
	front_free(&front);
}

static void
test_gateway_acts_for_tenants(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *gateway = front_connect(front, GATEWAY), *bob = front_connect(front, BOB);
	const struct fake_job *jobs[] = {
	    run_job(front, gateway, 1, "{\"source\":\"x\",\"tenant\":\"a\",\"token\":\"test\"}"),
	    run_job(front, gateway, 2, "{\"source\":\"x\",\"tenant\":\"b\",\"token\":\"abc\"}"),
	    run_job(front, gateway, 3, "{\"source\":\"x\"}"),
	};
	assert_string_equal(jobs[0]->terms.name, "a");
	assert_string_equal(jobs[1]->terms.name, "b");
	assert_string_equal(jobs[2]->terms.name, "g");
	assert_int_equal(jobs[0]->request.limits.cpu_ms, 500);
	assert_int_equal(jobs[1]->request.limits.cpu_ms, 2000);
	char params[200];
	/* On one connection, each tenant has its own only, by the job's id and the request's. */
	(void)snprintf(params, sizeof(params),
		       "{\"job\":\"%s\",\"tenant\":\"b\",\"token\":\"abc\"}", jobs[0]->id);
	expect(front, gateway, "job.status", params, "not_found: no such job");
	expect(front, gateway, "job.cancel", params, "not_found: no such job");
	expect(front, gateway, "job.cancel", "{\"id\":1,\"tenant\":\"b\",\"token\":\"abc\"}",
	       "not_found: no job.run with this id is in work on this connection");
	expect(front, gateway, "job.cancel", "{\"id\":1}", "not_found");
	(void)snprintf(params, sizeof(params), "{\"job\":\"%s\"}", jobs[0]->id);
	expect(front, gateway, "job.status", params, "not_found: no such job");
	assert_false(jobs[0]->cancelled);
	expect(front, gateway, "job.cancel", "{\"id\":1,\"tenant\":\"a\",\"token\":\"test\"}",
	       "ok");
	/* The tenant's own clients see what the gateway runs for it. */
	(void)snprintf(params, sizeof(params), "{\"job\":\"%s\"}", jobs[1]->id);
	expect(front, bob, "job.status", params, "ok");
	client_free(&gateway);
	client_free(&bob);
	front_free(&front);
}

static void
test_gateway_refusals(void **state)
{
	static const char WRONG[] =
	    "not_permitted: there is no such tenant, or this is not its token";
	static const char NO_GATEWAY[] = "not_permitted: tenant and token are for gateways";
	static const struct {
		uid_t uid;
		const char *params, *text;
	} CASES[] = {
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"a\",\"token\":\"abc\"}", WRONG},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"nobody\",\"token\":\"test\"}", WRONG},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"g\",\"token\":\"\"}", WRONG},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"a\"}", WRONG},
	    {GATEWAY, "{\"source\":\"x\",\"token\":\"test\"}", WRONG},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"a\\u0000\",\"token\":\"test\"}", WRONG},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":1,\"token\":\"test\"}", "-: tenant must be"},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"a\",\"token\":[\"test\"]}", "-: token must"},
	    {GATEWAY, "{\"source\":\"x\",\"tenant\":\"a\",\"token\":null}", "-: token must be"},
	    {ALICE, "{\"source\":\"x\",\"tenant\":\"a\",\"token\":\"test\"}", NO_GATEWAY},
	    {ALICE, "{\"source\":\"x\",\"tenant\":\"a\"}", NO_GATEWAY},
	    {ALICE, "{\"source\":\"x\",\"token\":\"test\"}", NO_GATEWAY},
	    {OPERATOR, "{\"source\":\"x\",\"tenant\":\"a\",\"token\":\"test\"}", NO_GATEWAY},
	    {0, "{\"tenant\":\"a\",\"token\":\"test\"}", NO_GATEWAY},
	};
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	static const char *const METHODS[] = {"job.run", "job.status", "job.cancel", "daemon.info"};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		for (size_t m = 0; m < 4; m++) {
			struct client *client = front_connect(front, CASES[i].uid);
			expect(front, client, METHODS[m], CASES[i].params, CASES[i].text);
			client_free(&client);
		}
	}
	assert_int_equal(front->engine->count, 0);
	front_free(&front);
}

static void
test_a_long_line_is_its_tenants_too(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *gateway = front_connect(front, GATEWAY);
	size_t size = 3 * CONNECTION_INLINE_BYTES_MAX;
	char *line = malloc(size + 200);
	assert_non_null(line);
	int used = sprintf(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\",\"params\":{"
				 "\"tenant\":\"a\",\"token\":\"test\",\"source\":\"");
	memset(line + used, 'x', size);
	strcpy(line + used + size, "\"}}\n");
	client_say(front, gateway, line); /* read off the loop */
	front_wait_jobs(front, 1);
	assert_string_equal(front->engine->jobs[0].terms.name, "a");
	assert_int_equal(front->engine->jobs[0].request.limits.cpu_ms, 500);
	free(line);
	client_free(&gateway);
	front_free(&front);
}

static void
test_limits_are_the_tenants(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *alice = front_connect(front, ALICE), *bob = front_connect(front, BOB);
	expect(front, alice, "job.run", "{\"source\":\"x\",\"limits\":{\"cpu_ms\":3001}}",
	       "limit_too_high: limits.cpu_ms: 3001 is above the maximum of 3000 ms");
	assert_int_equal(run_job(front, alice, 1, "{\"source\":\"x\",\"limits\":{\"cpu_ms\":3000}}")
			     ->request.limits.cpu_ms,
			 3000);
	assert_int_equal(run_job(front, bob, 1, "{\"source\":\"x\",\"limits\":{\"cpu_ms\":3001}}")
			     ->request.limits.cpu_ms,
			 3001);
	say(front, alice, 9, "daemon.info", "{}");
	json_t *answer = client_json(front, alice);
	const char *tenant;
	int def, max, operates;
	assert_int_equal(json_unpack(answer, "{s:{s:s, s:b, s:{s:{s:i}, s:{s:i}}}}", "result",
				     "tenant", &tenant, "operator", &operates, "limits", "default",
				     "cpu_ms", &def, "max", "cpu_ms", &max),
			 0);
	assert_string_equal(tenant, "a");
	assert_false(operates);
	assert_int_equal(def, 500);
	assert_int_equal(max, 3000);
	json_decref(answer);
	client_free(&alice);
	client_free(&bob);
	front_free(&front);
}

/* result.tenant, and result.usage.running. */
static void
expect_usage(struct front *front, struct client *client, const char *params, const char *name,
	     int weight, int running)
{
	const char *tenant;
	int got_weight, got_running, cpu_us;
	say(front, client, 5, "tenant.usage", params);
	json_t *answer = client_json(front, client);
	if (json_unpack(answer, "{s:{s:s, s:{s:i}, s:{s:{}, s:{}}, s:{s:i, s:i}}}", "result",
			"tenant", &tenant, "terms", "weight", &got_weight, "limits", "default",
			"max", "usage", "running", &got_running, "cpu_us_total", &cpu_us) != 0)
		fail_msg("%s", json_dumps(answer, 0));
	assert_string_equal(tenant, name);
	assert_int_equal(got_weight, weight);
	assert_int_equal(got_running, running);
	assert_int_equal(cpu_us, 77);
	json_decref(answer);
}

static void
test_usage(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *alice = front_connect(front, ALICE),
		      *gateway = front_connect(front, GATEWAY);
	struct client *boss = front_connect(front, OPERATOR), *other = front_connect(front, 5);
	(void)run_job(front, alice, 1, "{\"source\":\"x\"}");
	expect_usage(front, alice, "{}", "a", 4, 1);
	expect_usage(front, alice, "{\"tenant\":\"a\"}", "a", 4, 1);
	expect_usage(front, other, "{}", "uid-5", 1, 0);
	expect_usage(front, gateway, "{}", "g", 1, 0);
	expect_usage(front, gateway, "{\"tenant\":\"a\",\"token\":\"test\"}", "a", 4, 1);
	expect_usage(front, boss, "{}", "uid-900", 1, 0);
	expect_usage(front, boss, "{\"tenant\":\"a\"}", "a", 4, 1);
	expect_usage(front, boss, "{\"tenant\":\"uid-5\"}", "uid-5", 1, 0);
	static const char *const NOT_THERE[] = {
	    "nobody",  "uid-1000", "uid-05",          "uid-",          "uid-x", "uid--1",
	    "default", "",         "uid-99999999999", "uid-4294967295"};
	for (size_t i = 0; i < sizeof(NOT_THERE) / sizeof(NOT_THERE[0]); i++) {
		char params[100];
		(void)snprintf(params, sizeof(params), "{\"tenant\":\"%s\"}", NOT_THERE[i]);
		expect(front, boss, "tenant.usage", params, "not_found: no such tenant");
		expect(front, alice, "tenant.usage", params,
		       "not_permitted: only operators may ask for another tenant");
	}
	expect(front, alice, "tenant.usage", "{\"tenant\":\"b\"}", "not_permitted: only operators");
	expect(front, gateway, "tenant.usage", "{\"tenant\":\"a\"}", "not_permitted: only oper");
	expect(front, gateway, "tenant.usage", "{\"tenant\":\"a\",\"token\":\"x\"}",
	       "not_permitted: there is no such tenant");
	expect(front, alice, "tenant.usage", "{\"tenant\":1}", "-: tenant must be");
	expect(front, alice, "tenant.usage", "{\"x\":1}", "-: x is not a parameter");
	struct client *all[] = {alice, gateway, boss, other};
	for (size_t i = 0; i < 4; i++)
		client_free(&all[i]);
	front_free(&front);
}

/* result.jobs.running, and whether there are counts of everyone. */
static void
expect_health(struct front *front, struct client *client, int running, bool all)
{
	int got;
	say(front, client, 6, "daemon.health", "{}");
	json_t *answer = client_json(front, client);
	json_t *result = json_object_get(answer, "result");
	assert_int_equal(json_unpack(result, "{s:{s:i}}", "jobs", "running", &got), 0);
	assert_int_equal(got, running);
	assert_int_equal(json_object_get(result, "ended") != NULL, all);
	assert_int_equal(json_object_get(result, "workers") != NULL, all);
	json_decref(answer);
}

static void
test_health_tells_nothing_of_others(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *alice = front_connect(front, ALICE), *bob = front_connect(front, BOB);
	struct client *boss = front_connect(front, OPERATOR);
	(void)run_job(front, alice, 1, "{\"source\":\"x\"}");
	expect_health(front, alice, 1, false);
	expect_health(front, bob, 0, false);
	expect_health(front, boss, 1, true);
	struct client *all[] = {alice, bob, boss};
	for (size_t i = 0; i < 3; i++)
		client_free(&all[i]);
	front_free(&front);
}

static void
test_a_new_table_holds_at_once(void **state)
{
	(void)state;
	struct front *front = front_new_with(TEXT, NULL);
	struct client *alice = front_connect(front, ALICE);
	const struct fake_job *before = run_job(front, alice, 1, "{\"source\":\"x\"}");
	struct config config;
	struct tenant_table *old = front->tenants;
	config_init(&config);
	assert_int_equal(config_read_text(&config, "[tenant moved]\nusers = 1000\n", 27, "f", NULL),
			 0);
	assert_int_equal(tenant_table_new(&config, &front->tenants, NULL), 0);
	front->rpc.tenants = front->tenants;
	tenant_table_release(&old);
	config_deinit(&config);
	assert_string_equal(run_job(front, alice, 2, "{\"source\":\"x\"}")->terms.name, "moved");
	assert_string_equal(before->terms.name, "a");
	char params[100];
	(void)snprintf(params, sizeof(params), "{\"job\":\"%s\"}", before->id);
	expect(front, alice, "job.status", params, "not_found"); /* it is another tenant's now */
	client_free(&alice);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_others_jobs_do_not_exist),
	    cmocka_unit_test(test_gateway_acts_for_tenants),
	    cmocka_unit_test(test_gateway_refusals),
	    cmocka_unit_test(test_a_long_line_is_its_tenants_too),
	    cmocka_unit_test(test_limits_are_the_tenants),
	    cmocka_unit_test(test_usage),
	    cmocka_unit_test(test_health_tells_nothing_of_others),
	    cmocka_unit_test(test_a_new_table_holds_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
