/*
 * load_plan.c and load_kinds.c: what a command line means, and that a wrong one is refused by name.
 */
#include "cmocka_headers.h"
#include "bench/load_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct load_plan plan;
static struct error err;

static int
parse(const char *text)
{
	char words[512], *argv[16], *rest = NULL;
	int argc = 1;
	argv[0] = words;
	(void)snprintf(words, sizeof(words), "%s", text);
	for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		argv[argc++] = w;
	argv[argc] = NULL;
	memset(&err, 0, sizeof(err));
	return load_plan_parse(argc, argv, &plan, &err);
}

static unsigned
weight(size_t tenant, const char *kind)
{
	int index = load_kinds_find(&plan.kinds, kind, strlen(kind));
	assert_true(index >= 0);
	return plan.tenants[tenant].weights[index];
}

static void
test_defaults(void **state)
{
	/* The plan keeps pointers into argv: the socket's text is not looked at here. */
	assert_int_equal(parse("--socket s all"), 0);
	assert_int_equal(plan.tenant_count, 1);
	assert_string_equal(plan.tenants[0].name, "all");
	assert_int_equal(plan.tenants[0].uid, -1);
	assert_int_equal(plan.tenants[0].connections, 1);
	assert_int_equal(plan.tenants[0].in_flight, 1);
	assert_true(plan.tenants[0].rate == 0);
	assert_int_equal(weight(0, "trivial"), 1);
	assert_int_equal(weight(0, "sleep"), 0);
	assert_true(plan.seconds == 10 && plan.warm_up == 0 && plan.drain == 60);
	load_plan_deinit(&plan);
}

static void
test_all_keys(void **state)
{
	assert_int_equal(parse("--seconds 2.5 --warm-up 1 --drain 0 --seed 9 --any-status "
			       "--socket s a,uid=70001,uids=3,connections=9,in_flight=4,"
			       "jobs=100,mix=sleep:2+output "
			       "b,rate=250.5,arrivals=fixed,waiting=50"),
			 0);
	assert_true(plan.seconds == 2.5 && plan.warm_up == 1 && plan.drain == 0);
	assert_int_equal(plan.seed, 9);
	assert_true(plan.any_status);
	assert_int_equal(plan.tenant_count, 2);
	assert_int_equal(plan.tenants[0].uid, 70001);
	assert_int_equal(plan.tenants[0].uids, 3);
	assert_int_equal(plan.tenants[0].connections, 9);
	assert_int_equal(plan.tenants[0].in_flight, 4);
	assert_int_equal(plan.tenants[0].jobs_max, 100);
	assert_int_equal(weight(0, "sleep"), 2);
	assert_int_equal(weight(0, "output"), 1);
	assert_int_equal(weight(0, "trivial"), 0);
	assert_true(plan.tenants[1].rate == 250.5);
	assert_false(plan.tenants[1].poisson);
	assert_int_equal(plan.tenants[1].waiting_max, 50);
	load_plan_deinit(&plan);
}

static void
test_refused_by_name(void **state)
{
	static const struct {
		const char *words, *named;
	} rows[] = {
	    {"all", "--socket"},
	    {"--socket s", "no tenant"},
	    {"--socket s a,connections=0", "connections"},
	    {"--socket s a,connections=1.5", "whole"},
	    {"--socket s a,connections=20001", "connections"},
	    {"--socket s a,rate=nan", "rate"},
	    {"--socket s a,rate=0", "rate"},
	    {"--socket s a,rate=5x", "rate"},
	    {"--socket s a,rate=5,in_flight=2", "in_flight"},
	    {"--socket s a,speed=5", "speed"},
	    {"--socket s a,trivial", "trivial"},
	    {"--socket s a,mix=nosuch", "nosuch"},
	    {"--socket s a,mix=trivial:0", "weight"},
	    {"--socket s a,arrivals=bursts", "bursts"},
	    {"--socket s a,uids=2,connections=2", "uid"},
	    {"--socket s a,uid=1,uids=2", "more uids"},
	    {"--socket s a,connections=2000,in_flight=2000", "in flight"},
	    {"--socket s connections=2", "name"},
	    {"--socket s --seconds 0 a", "seconds"},
	    {"--socket s --seconds 1e9 a", "seconds"},
	    {"--socket s --call x a", "NAME=METHOD"},
	    {"--socket s --call trivial=daemon.info a", "there already"},
	    {"--socket s --call x=job.run:/nonexistent/file a", "/nonexistent/file"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(parse(rows[i].words) < 0);
		assert_non_null(strstr(err.text, rows[i].named));
	}
}

static void
test_kinds_of_the_user(void **state)
{
	static const char PARAMS[] = "{\"source\":\n \"pass\"}\n";
	static const char LINE[] = ",\"method\":\"job.run\",\"params\":{\"source\":  \"pass\"} }\n";
	char path[] = "/tmp/test_load_plan_XXXXXX", words[256];
	const struct load_kind *kind;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, PARAMS, sizeof(PARAMS) - 1), sizeof(PARAMS) - 1);
	assert_int_equal(close(fd), 0);
	(void)snprintf(
	    words, sizeof(words),
	    "--socket s --call own=job.run:%s --call info=daemon.info a,mix=own:3+info:2", path);
	assert_int_equal(parse(words), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(weight(0, "own"), 3);
	assert_int_equal(weight(0, "info"), 2);
	kind = &plan.kinds.kinds[load_kinds_find(&plan.kinds, "own", 3)];
	assert_null(kind->status);
	assert_int_equal(kind->after_id_size, sizeof(LINE) - 1);
	assert_memory_equal(kind->after_id, LINE, sizeof(LINE) - 1);
	kind = &plan.kinds.kinds[load_kinds_find(&plan.kinds, "info", 4)];
	assert_int_equal(kind->after_id_size, strlen(",\"method\":\"daemon.info\"}\n"));
	load_plan_deinit(&plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_all_keys),
	    cmocka_unit_test(test_refused_by_name),
	    cmocka_unit_test(test_kinds_of_the_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
