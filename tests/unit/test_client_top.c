/*
 * client_sample.c and client_top_view.c: from the text of the metrics to the lines on the screen.
 */
#include "cmocka_headers.h"

#include "client/client_sample.h"
#include "client/client_top_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BEFORE[] = "# HELP stint_jobs_ended_total Jobs.\n"
			     "# TYPE stint_jobs_ended_total counter\n"
			     "stint_jobs_ended_total{status=\"ok\"} 10\n"
			     "stint_jobs_ended_total{status=\"cancelled\"} 0\n"
			     "stint_uptime_seconds 90.500000\n"
			     "stint_jobs_cpu_seconds_total 1.000000\n"
			     "stint_tenant_jobs_ended_total{tenant=\"a\",status=\"ok\"} 4\n"
			     "stint_tenant_jobs_ended_total{tenant=\"b\",status=\"ok\"} 6\n"
			     "stint_tenant_cpu_seconds_total{tenant=\"a\"} 0.500000\n"
			     "stint_tenant_cpu_seconds_total{tenant=\"b\"} 0.500000\n"
			     "stint_tenant_opcodes_total{tenant=\"a\"} 100\n"
			     "stint_tenant_opcodes_total{tenant=\"b\"} 100\n"
			     "stint_tenant_opcodes_total{tenant=\"_other\"} 0\n";
static const char NOW[] = "stint_jobs_ended_total{status=\"ok\"} 30\n"
			  "stint_jobs_ended_total{status=\"cancelled\"} 1\n"
			  "stint_serving 1\n"
			  "stint_jobs_running 3\n"
			  "stint_workers{state=\"ready\"} 7\n"
			  "stint_uptime_seconds 92.500000\n"
			  "stint_jobs_cpu_seconds_total 4.000000\n"
			  "stint_tenant_jobs_ended_total{tenant=\"a\",status=\"ok\"} 8\n"
			  "stint_tenant_jobs_ended_total{tenant=\"a\",status=\"cancelled\"} 2\n"
			  "stint_tenant_jobs_ended_total{tenant=\"b\",status=\"ok\"} 21\n"
			  "stint_tenant_cpu_seconds_total{tenant=\"a\"} 0.600000\n"
			  "stint_tenant_cpu_seconds_total{tenant=\"b\"} 3.400000\n"
			  "stint_tenant_opcodes_total{tenant=\"a\"} 2100\n"
			  "stint_tenant_opcodes_total{tenant=\"b\"} 100\n"
			  "stint_tenant_opcodes_total{tenant=\"_other\"} 0\n";

static struct client_sample
sample_of(const char *text)
{
	struct client_sample sample = {NULL};
	client_sample_set(&sample, text != NULL ? strdup(text) : NULL);
	return sample;
}

static void
expect_number(double found, double wanted)
{
	assert_true(found > wanted - 1e-9 && found < wanted + 1e-9);
}

static void
test_values(void **state)
{
	struct client_sample sample = sample_of(NOW);
	(void)state;
	expect_number(client_sample_value(&sample, "stint_serving", NULL), 1);
	expect_number(client_sample_value(&sample, "stint_servin", NULL), 0);
	expect_number(client_sample_value(&sample, "stint_workers", "state=\"ready\""), 7);
	expect_number(client_sample_value(&sample, "stint_workers", "state=\"busy\""), 0);
	expect_number(client_sample_value(&sample, "stint_workers", NULL), 0);
	expect_number(client_sample_sum(&sample, "stint_jobs_ended_total"), 31);
	expect_number(client_sample_sum(&sample, "stint_jobs"), 0);
	client_sample_deinit(&sample);
	sample = sample_of(NULL);
	expect_number(client_sample_value(&sample, "stint_serving", NULL), 0);
	expect_number(client_sample_sum(&sample, "stint_serving"), 0);
}

static void
test_series(void **state)
{
	char name[CLIENT_SAMPLE_NAME_BYTES], text[400], longest[200];
	const char *at = NULL;
	double number;
	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	(void)snprintf(text, sizeof(text),
		       "a{t=\"1\"} 5\na{u=\"2\"} 6\nb 1\na{t=\"\033[2J\"} 7\n"
		       "a{t=\"%s\"} 8\na{t=\"open",
		       longest);
	struct client_sample sample = sample_of(text);
	assert_true(client_sample_next(&sample, "a", "t", &at, name, &number));
	assert_string_equal(name, "1");
	expect_number(number, 5);
	assert_true(client_sample_next(&sample, "a", "t", &at, name, &number));
	assert_string_equal(name, "?[2J");
	assert_true(client_sample_next(&sample, "a", "t", &at, name, &number));
	assert_int_equal(strlen(name), CLIENT_SAMPLE_NAME_BYTES - 1);
	expect_number(number, 8);
	assert_true(client_sample_next(&sample, "a", "t", &at, name, &number));
	assert_string_equal(name, "open");
	assert_false(client_sample_next(&sample, "a", "t", &at, name, &number));
	client_sample_deinit(&sample);
}

static char *
view_of(const char *now, const char *before, double seconds)
{
	struct client_sample samples[2] = {sample_of(now), sample_of(before)};
	struct client_top_view view = {&samples[0], &samples[1], seconds, "test"};
	size_t size;
	char *text = client_top_view(&view, &size);
	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	client_sample_deinit(&samples[0]);
	client_sample_deinit(&samples[1]);
	return text;
}

static void
expect(const char *text, const char *part)
{
	if (strstr(text, part) == NULL) {
		print_error("no \"%s\" in:\n%s", part, text);
		fail();
	}
}

static void
test_view(void **state)
{
	char *text = view_of(NOW, BEFORE, 2);
	(void)state;
	expect(text, "stint    ok, up 92.50 s; rates: test\n");
	expect(text, "jobs     3 running, 0 queued of 0 (0 B of 0 B)\n");
	expect(text, "workers  7 ready, 0 starting, 0 busy;");
	expect(text, "rates    10.5 jobs/s, 1.50 cores,");
	expect(text, "ended    ok 30, cancelled 1\n");
	expect(text, "\nb                              0       0       7.5    1.45          0");
	expect(text, "\na                              0       0       3.0    0.05      1e+03");
	/* The busier one first; what is nobody's is not there. */
	assert_true(strstr(text, "\nb   ") < strstr(text, "\na   "));
	assert_null(strstr(text, "_other"));
	free(text);
}

/* Counters that went back: the daemon was started anew in between. */
static void
test_restart(void **state)
{
	char *text = view_of(BEFORE, NOW, 2);
	(void)state;
	expect(text, "rates    0.0 jobs/s, 0.00 cores,");
	expect(text, "stint    starting,");
	free(text);
}

static void
test_nothing(void **state)
{
	char *text = view_of(NULL, NULL, 0);
	(void)state;
	expect(text, "ended    none\n");
	free(text);
	text = view_of("\n\n}{ \nstint_tenant_opcodes_total{tenant=\n", "x", 0);
	expect(text, "ended    none\n");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),  cmocka_unit_test(test_series),
	    cmocka_unit_test(test_view),    cmocka_unit_test(test_restart),
	    cmocka_unit_test(test_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
