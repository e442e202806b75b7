/*
 * Sections of tenants: what they come to, each kind of fault with its line, names made numbers,
 * and that printing reads back.
 */
#define _GNU_SOURCE
#include "protocol/config.h"
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static int
read_text(struct config *ret_config, const char *text, struct error *err)
{
	config_init(ret_config);
	return config_read_text(ret_config, text, strlen(text), "f", err);
}

static void
sections_become_terms(void **state)
{
	static const char TEXT[] = "max_cpu_ms = 30s\n"
				   "default_cpu_ms = 5s\n"
				   "[tenant web]   # the shop\n"
				   "users = alice 1000\tbob\n"
				   "weight = 3\n"
				   "cpu_per_minute = 2min\n"
				   "queue_bytes_max = 1M\n"
				   "max_cpu_ms = 1s\n"
				   "default_wall_ms = 3s\n"
				   "  [ tenant  gw-1 ]\n"
				   "gateway = yes\n"
				   "groups = 50\n"
				   "token_sha256 = " DIGEST " " DIGEST "\n"
				   "[tenant default]\n"
				   "weight = 2\n";
	struct config config;
	struct error err = ERROR_INIT;
	struct tenant_terms terms;

	(void)state;
	assert_int_equal(read_text(&config, TEXT, &err), 0);
	assert_int_equal(config.tenant_count, 3);
	const struct config_tenant *web = config_tenant_find(&config, "web");
	const struct config_tenant *gateway = config_tenant_find(&config, "gw-1");
	assert_non_null(web);
	assert_non_null(gateway);
	assert_null(config_tenant_find(&config, "we"));
	config_tenant_terms(&config, web, &terms);
	assert_string_equal(terms.name, "web");
	assert_int_equal(tenant_number(&terms, weight), 3);
	assert_int_equal(tenant_number(&terms, cpu_per_minute), 120000);
	assert_int_equal(tenant_number(&terms, queue_bytes_max), 1 << 20);
	assert_int_equal(tenant_number(&terms, jobs_per_minute), 0);
	assert_int_equal(terms.limits_max.cpu_ms, 1000);
	assert_int_equal(terms.limits_default.cpu_ms, 1000); /* the service's 5 s, cut */
	assert_int_equal(terms.limits_default.wall_ms, 3000);
	assert_int_equal(terms.limits_max.wall_ms, 300000);
	assert_string_equal(web->words[TENANT_IDENTITY_users], "alice 1000\tbob");
	assert_false(web->gateway);
	assert_true(gateway->gateway);
	config_tenant_terms(&config, gateway, &terms);
	assert_int_equal(tenant_number(&terms, weight), 1);
	assert_int_equal(terms.limits_max.cpu_ms, 30000);
	assert_int_equal(terms.limits_default.cpu_ms, 5000);
	config_deinit(&config);
}

static const struct {
	const char *text, *expected;
} FAULTS[] = {
    {"[tenant]\n", "f:1: \"[tenant]\" is no section: want [tenant NAME]"},
    {"[tenant ]\n", "f:1: \"\" is not a tenant's name"},
    {"[\n", "is no section"},
    {"[]\n", "is no section"},
    {"[tenant a\n", "f:1: \"[tenant a\" is no section"},
    {"[tenanta]\n", "is no section"},
    {"[group a]\n", "is no section"},
    {"\n[tenant A]\n", "f:2: \"A\" is not a tenant's name: 1 to 64 of a-z"},
    {"[tenant a b]\n", "is not a tenant's name"},
    {"[tenant .a]\n", "is not a tenant's name"},
    {"[tenant a]]\n", "is not a tenant's name"},
    {"[tenant aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
     "is not a tenant's name"},
    {"[tenant uid-7]\n", "f:1: tenant uid-7: names that begin with uid- are those of"},
    {"[tenant a]\n[tenant b]\n[tenant a]\n", "f:3: tenant a: has a section in line 1"},
    {"[tenant a]\nsocket = /x\n", "f:2: tenant a: unknown setting \"socket\" (the"},
    {"[tenant a]\nwieght = 1\n", "f:2: tenant a: unknown setting \"wieght\""},
    {"weight = 1\n", "f:1: unknown setting \"weight\""},
    {"[tenant a]\nweight = 1\n\nweight = 2\n", "f:4: tenant a: weight: set before, in line 2"},
    {"[tenant a]\nweight = 0\n", "f:2: tenant a: weight: 0 is out of range (1 to 1000)"},
    {"[tenant a]\nweight = 1001\n", "out of range"},
    {"[tenant a]\nweight\n", "f:2: \"weight\" has no '='"},
    {"[tenant a]\n= 1\n", "f:2: no name before '='"},
    {"[tenant a]\ngateway = maybe\n", "gateway: \"maybe\" is not yes or no"},
    {"[tenant a]\ncpu_per_minute = 1h\n", "is not a time"},
    {"[tenant a]\nmax_cpu_ms = 61s\n", "f:2: tenant a: max_cpu_ms: 61s is out of range"},
    {"max_cpu_ms = 5s\n[tenant a]\n\nmax_cpu_ms = 6s\n",
     "f:4: tenant a: max_cpu_ms (6000) is above the service's (5000)"},
    {"[tenant a]\nmax_cpu_ms = 1s\ndefault_cpu_ms = 2s\n",
     "f:3: tenant a: default_cpu_ms (2000) is above its max_cpu_ms (1000)"},
    {"max_cpu_ms = 5s\n[tenant a]\ndefault_cpu_ms = 6s\n",
     "f:3: tenant a: default_cpu_ms (6000) is above its max_cpu_ms (5000)"},
    {"queue_jobs_max = 5\n[tenant a]\nqueue_jobs_max = 6\n",
     "f:3: tenant a: queue_jobs_max (6) is above the service's (5)"},
    {"[tenant a]\nconnections_max = 1001\n",
     "f:2: tenant a: connections_max (1001) is above the service's (1000)"},
    {"running_max = 2\n[tenant a]\nrunning_max = 3\n", "running_max (3) is above"},
    {"[tenant a]\nusers = x y x\n", "f:2: tenant a: the user \"x\" is named for tenant a"},
    {"[tenant a]\nusers = x\n[tenant b]\nusers = y\n\n[tenant c]\nusers = z x\n",
     "f:7: tenant c: the user \"x\" is named for tenant a already, in line 2"},
    {"[tenant a]\nusers = 010\n[tenant b]\nusers = 10\n",
     "f:4: tenant b: the user \"10\" is named for tenant a already, in line 2"},
    {"[tenant a]\nusers = 0\n[tenant b]\nusers = root\n", "f:4: tenant b: the user \"root\""},
    {"[tenant a]\ngroups = g\n[tenant b]\ngroups = g\n", "f:4: tenant b: the group \"g\""},
    {"[tenant a]\nusers = 4294967295\n", "f:2: tenant a: users: \"4294967295\" is not an id"},
    {"[tenant a]\ngroups = 18446744073709551616\n", "is not an id"},
    {"[tenant a]\nusers = a,b\n", "is not a list of names"},
    {"[tenant a]\ntoken_sha256 = abc\n", "f:2: tenant a: token_sha256: a word of 3 char"},
    {"[tenant a]\ntoken_sha256 = " DIGEST "0\n", "a word of 65 char"},
    {"[tenant a]\ntoken_sha256 = g" DIGEST "\n", "token_sha256: a word of 65"},
    {"[tenant a]\ntoken_sha256 = " DIGEST " x\n", "token_sha256: a word of 1 char"},
    {"[tenant default]\nusers = x\n", "f:2: tenant default: takes no users: it is for"},
    {"[tenant default]\ngateway = yes\n", "takes no gateway"},
    {"[tenant a]\nusers = x\n[tenant b]\ngroups = x\n", ""}, /* an account and a group */
    {"[tenant a]\nusers =\ngroups =\ntoken_sha256 =\n", ""},
};

static void
every_fault_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
		struct config config;
		struct error err = ERROR_INIT;
		int r = read_text(&config, FAULTS[i].text, &err);

		if (FAULTS[i].expected[0] == '\0'
			? r != 0
			: r != ERROR_INVALID || !strstr(err.text, FAULTS[i].expected))
			fail_msg("%s: %d \"%s\"", FAULTS[i].text, r, err.text);
		if (r != 0) /* nothing of the file was taken */
			assert_int_equal(config.tenant_count, 0);
		config_deinit(&config);
	}
}

static void
a_token_is_never_quoted(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;

	(void)state;
	/* Somebody who put the token itself there. */
	assert_int_equal(read_text(&config, "[tenant a]\ntoken_sha256 = secretsecret\n", &err),
			 ERROR_INVALID);
	assert_null(strstr(err.text, "secret"));
	config_deinit(&config);
}

static void
many_sections(void **state)
{
	char *text = malloc(CONFIG_BYTES_MAX);
	struct config config;
	struct error err = ERROR_INIT;
	size_t used = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < CONFIG_TENANTS_MAX; i++)
		used += (size_t)snprintf(text + used, CONFIG_BYTES_MAX - used,
					 "[tenant t%u]\nusers = %u\n", i, 5000 + i);
	assert_int_equal(read_text(&config, text, &err), 0);
	assert_int_equal(config.tenant_count, CONFIG_TENANTS_MAX);
	assert_string_equal(config.tenants[9999].words[TENANT_IDENTITY_users], "14999");
	/* A copy is a whole one. */
	assert_int_equal(config_set(&config, "running_max=3", &err), 0);
	assert_string_equal(config.tenants[9999].words[TENANT_IDENTITY_users], "14999");
	config_deinit(&config);
	(void)snprintf(text + used, CONFIG_BYTES_MAX - used, "[tenant one-more]\n");
	assert_int_equal(read_text(&config, text, &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "f:20001: more than 10000 tenants"));
	config_deinit(&config);
	free(text);
}

static void
printed_sections_read_back(void **state)
{
	static const char TEXT[] = "[tenant b]\nusers = x y\nweight = 5\ngateway = yes\n"
				   "[tenant a]\ncpu_per_minute = 3s\nmax_cpu_ms = 9s\n"
				   "token_sha256 = " DIGEST "\n[tenant default]\n";
	struct config config, other;
	struct error err = ERROR_INIT;
	char *text, *again;
	size_t size, size_again;

	(void)state;
	for (int sentences = 0; sentences < 2; sentences++) {
		assert_int_equal(read_text(&config, TEXT, &err), 0);
		text = config_format(&config, sentences, &size);
		assert_int_equal(read_text(&other, text, &err), 0);
		again = config_format(&other, sentences, &size_again);
		assert_int_equal(size, size_again);
		assert_memory_equal(text, again, size);
		assert_int_equal(other.tenant_count, 3);
		assert_string_equal(other.tenants[0].name, "b");
		assert_string_equal(other.tenants[0].words[TENANT_IDENTITY_users], "x y");
		assert_true(other.tenants[0].gateway);
		assert_int_equal(other.tenants[1].limits_max.cpu_ms, 9000);
		free(text);
		free(again);
		config_deinit(&config);
		config_deinit(&other);
	}
}

/* Uncommented, the example that is printed without a tenant is a section that is taken. */
static void
the_example_is_right(void **state)
{
	struct config config, other;
	struct error err = ERROR_INIT;
	char *text, *at;
	size_t size;

	(void)state;
	assert_int_equal(read_text(&config, "", &err), 0);
	text = config_format(&config, true, &size);
	at = strstr(text, "# [tenant NAME]");
	assert_non_null(at);
	memcpy(at, "  [tenant name]", 15);
	for (at += 15; (at = strstr(at, "\n# ")) != NULL; at += 3) {
		char *end = strchr(at + 1, '\n');
		char *equals = strstr(at, " = ");

		/* The lines "# name = value". */
		if (equals && equals < end && !memchr(at + 3, ' ', (size_t)(equals - at) - 3))
			at[1] = ' ';
	}
	assert_int_equal(read_text(&other, text, &err), 0);
	assert_int_equal(other.tenant_count, 1);
	for (unsigned i = 0; i < TENANT_KEY_DEFAULT; i++)
		assert_true(other.tenants[0].lines[i] > 0);
	free(text);
	config_deinit(&config);
	config_deinit(&other);
}

static int
find_user(const char *name, uint32_t *ret_number)
{
	if (strcmp(name, "alice") == 0 || strcmp(name, "alias") == 0)
		*ret_number = 1000;
	else if (strcmp(name, "bob") == 0)
		*ret_number = 4294967294;
	else
		return ERROR_NOT_FOUND;
	return 0;
}

static int
find_group(const char *name, uint32_t *ret_number)
{
	if (strcmp(name, "staff") != 0)
		return ERROR_NOT_FOUND;
	*ret_number = 50;
	return 0;
}

static const struct config_names NAMES = {find_user, find_group};

static void
names_become_numbers(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(read_text(&config,
				   "operators = root bob\noperator_groups = staff 7\n"
				   "[tenant a]\nusers = alice  5 bob\ngroups = staff\n[tenant b]\n",
				   &err),
			 0);
	assert_int_equal(config_resolve(&config, &NAMES, "f", &err), 0);
	assert_string_equal(config_text(&config, operators), "0 4294967294");
	assert_string_equal(config_text(&config, operator_groups), "50 7");
	assert_string_equal(config.tenants[0].words[TENANT_IDENTITY_users], "1000 5 4294967294");
	assert_string_equal(config.tenants[0].words[TENANT_IDENTITY_groups], "50");
	assert_null(config.tenants[1].words[TENANT_IDENTITY_users]);
	config_deinit(&config);
}

static void
names_that_do_not_resolve(void **state)
{
	static char many[4200] = "[tenant a]\nusers =";
	static const struct {
		const char *text, *expected;
	} CASES[] = {
	    {"operators = carol\n", "f: operators: there is no \"carol\""},
	    {"operator_groups = carol\n", "f: operator_groups: there is no \"carol\""},
	    {"[tenant a]\n\nusers = alice carol\n", "f:3: tenant a: users: there is no \"carol\""},
	    {"[tenant a]\ngroups = alice\n", "f:2: tenant a: groups: there is no \"alice\""},
	    {"[tenant a]\nusers = alice\n[tenant b]\nusers = alias\n",
	     "f:4: tenant b: the user \"1000\" is named for tenant a already, in line 2"},
	    {"[tenant a]\nusers = 1000\n[tenant b]\nusers = alice\n", "f:4: tenant b: the user"},
	    {many, "f:2: tenant a: users: too many: their numbers take more than 4096 bytes"},
	};

	(void)state;
	for (size_t used = strlen(many), i = 0; i < 1000; i++, used += 4)
		memcpy(many + used, " bob", 4);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct config config;
		struct error err = ERROR_INIT;
		bool repeats = CASES[i].text == many; /* which reading refuses already */

		config_init(&config);
		if (repeats)
			assert_int_equal(
			    config_read_text(&config, "[tenant a]\nusers = bob\n", 23, "f", &err),
			    0);
		else
			assert_int_equal(read_text(&config, CASES[i].text, &err), 0);
		if (repeats) {
			free(config.tenants[0].words[TENANT_IDENTITY_users]);
			config.tenants[0].words[TENANT_IDENTITY_users] = strdup(many + 18);
		}
		assert_true(config_resolve(&config, &NAMES, "f", &err) < 0);
		if (!strstr(err.text, CASES[i].expected))
			fail_msg("%s: \"%s\"", CASES[i].text, err.text);
		config_deinit(&config);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sections_become_terms),
	    cmocka_unit_test(every_fault_is_refused_with_its_line),
	    cmocka_unit_test(a_token_is_never_quoted),
	    cmocka_unit_test(many_sections),
	    cmocka_unit_test(printed_sections_read_back),
	    cmocka_unit_test(the_example_is_right),
	    cmocka_unit_test(names_become_numbers),
	    cmocka_unit_test(names_that_do_not_resolve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
