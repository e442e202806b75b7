/*
 * Who a client is: the order of users, groups and the rest; operators; gateways and tokens, with
 * the same work for what is wrong; credentials from the kernel; a table that outlives a reload.
 */
#define _GNU_SOURCE
#include "daemon/identity.h"
#include "tests/unit/cmocka_headers.h"

#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIGEST_TEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define DIGEST_ABC  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const char TEXT[] = "operators = 0 900\n"
			   "operator_groups = 90\n"
			   "[tenant second]\n" /* in the file before first: it wins by group */
			   "groups = 51 52\n"
			   "weight = 2\n"
			   "[tenant first]\n"
			   "users = 1000 1001\n"
			   "groups = 50\n"
			   "[tenant shop]\n"
			   "token_sha256 = " DIGEST_ABC " " DIGEST_TEST "\n"
			   "max_cpu_ms = 1s\n"
			   "[tenant no-token]\n"
			   "[tenant gateway]\n"
			   "users = 2000 900\n"
			   "gateway = yes\n"
			   "token_sha256 = " DIGEST_ABC "\n"
			   "[tenant default]\n"
			   "weight = 7\n";

/* How often the real functions were called, through the linker. */
static unsigned digests, comparisons;
void __real_token_digest(const void *token, size_t size, struct token_digest *ret_digest);
void __wrap_token_digest(const void *token, size_t size, struct token_digest *ret_digest);
bool __real_token_digest_equal(const struct token_digest *a, const struct token_digest *b);
bool __wrap_token_digest_equal(const struct token_digest *a, const struct token_digest *b);

void
__wrap_token_digest(const void *token, size_t size, struct token_digest *ret_digest)
{
	digests++;
	__real_token_digest(token, size, ret_digest);
}

bool
__wrap_token_digest_equal(const struct token_digest *a, const struct token_digest *b)
{
	comparisons++;
	return __real_token_digest_equal(a, b);
}

static struct tenant_table *
make_table(const char *text)
{
	struct config config;
	struct tenant_table *table = NULL;
	struct error err = ERROR_INIT;
	config_init(&config);
	assert_int_equal(config_read_text(&config, text, strlen(text), "f", &err), 0);
	if (tenant_table_new(&config, &table, &err) != 0)
		fail_msg("%s", err.text);
	config_deinit(&config);
	return table;
}

static int
setup(void **state)
{
	*state = make_table(TEXT);
	return 0;
}

static int
teardown(void **state)
{
	struct tenant_table *table = *state;
	tenant_table_release(&table);
	return 0;
}

static void
users_before_groups_before_the_rest(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid, extra[2];
		size_t extra_count;
		const char *tenant;
		uint64_t weight;
		bool operates, gateway;
	} CASES[] = {
	    {1000, 51, {52}, 1, "first", 1, false, false}, /* user before group */
	    {5, 50, {0}, 0, "first", 1, false, false},     /* primary group */
	    {5, 7, {50}, 1, "first", 1, false, false},     /* supplementary group */
	    {5, 50, {52}, 1, "second", 2, false, false},   /* the first section that has one */
	    {5, 52, {50}, 1, "second", 2, false, false},   /* in whatever order */
	    {5, 7, {8, 9}, 2, "uid-5", 7, false, false},   /* the section `default` */
	    {0, 0, {0}, 0, "uid-0", 7, true, false},
	    {2000, 7, {0}, 0, "gateway", 1, false, true},
	    {900, 7, {0}, 0, "gateway", 1, true, true},
	    {6, 90, {0}, 0, "uid-6", 7, true, false},
	    {1001, 7, {8, 90}, 2, "first", 1, true, false},
	    {4294967294, 7, {0}, 0, "uid-4294967294", 7, false, false},
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct identity identity;
		identity_init(&identity, CASES[i].uid, CASES[i].gid, CASES[i].extra,
			      CASES[i].extra_count);
		identity_settle(&identity, *state);
		assert_string_equal(identity.own.terms.name, CASES[i].tenant);
		assert_int_equal(tenant_number(&identity.own.terms, weight), CASES[i].weight);
		assert_int_equal(identity.own.operates, CASES[i].operates);
		assert_int_equal(identity.gateway, CASES[i].gateway);
		identity_deinit(&identity);
	}
}

static int
act(struct tenant_table *table, uid_t uid, const char *tenant, const char *token,
    struct caller *ret_caller, struct error *err)
{
	struct identity identity;
	identity_init(&identity, uid, uid, NULL, 0);
	identity_settle(&identity, table);
	int rc =
	    identity_act(&identity, tenant, strlen(tenant), token, strlen(token), ret_caller, err);
	identity_deinit(&identity);
	return rc;
}

static void
gateways_act_with_a_token(void **state)
{
	struct caller caller;
	struct error err = ERROR_INIT;
	assert_int_equal(act(*state, 2000, "shop", "test", &caller, &err), 0);
	assert_string_equal(caller.terms.name, "shop");
	assert_int_equal(caller.terms.limits_max.cpu_ms, 1000);
	assert_int_equal(act(*state, 2000, "shop", "abc", &caller, &err), 0); /* either token */
	assert_int_equal(act(*state, 2000, "gateway", "abc", &caller, &err), 0);
	/* An operator's gateway gives nobody an operator's rights. */
	assert_int_equal(act(*state, 900, "shop", "test", &caller, &err), 0);
	assert_false(caller.operates);
	/* Nobody else, whatever the token. */
	assert_int_equal(act(*state, 1000, "shop", "test", &caller, &err), ERROR_PERMISSION);
	assert_int_equal(act(*state, 0, "shop", "test", &caller, &err), ERROR_PERMISSION);
	assert_non_null(strstr(err.text, "for gateways"));
	assert_null(strstr(err.text, "shop"));
}

static void
whatever_is_wrong_looks_and_costs_the_same(void **state)
{
	static const struct {
		const char *tenant, *token;
		bool right;
	} CASES[] = {
	    {"shop", "test", true},    {"shop", "abc", true},      {"shop", "tesT", false},
	    {"shop", "", false},       {"gateway", "test", false}, {"no-token", "test", false},
	    {"nobody", "test", false}, {"", "test", false},        {"default", "test", false},
	    {"uid-5", "test", false},  {"Shop", "test", false},    {"first", "", false},
	    {"gateway", "abc", true},
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct caller caller;
		struct error err = ERROR_INIT;
		digests = comparisons = 0;
		int rc = act(*state, 2000, CASES[i].tenant, CASES[i].token, &caller, &err);
		assert_int_equal(rc, CASES[i].right ? 0 : ERROR_PERMISSION);
		if (!CASES[i].right)
			assert_string_equal(err.text,
					    "there is no such tenant, or this is not its token");
		assert_int_equal(digests, 1);
		assert_int_equal(comparisons, 2); /* as many as `shop` has */
	}
}

static void
nobody_has_the_empty_digest(void **state)
{
	/* The stand-in for a tenant that is not there is a digest of zeros. */
	struct tenant_table *table =
	    make_table("[tenant g]\nusers = 1\ngateway = yes\n[tenant z]\ntoken_sha256 = "
		       "0000000000000000000000000000000000000000000000000000000000000000\n");
	struct caller caller;
	(void)state;
	assert_int_equal(act(table, 1, "nobody", "", &caller, NULL), ERROR_PERMISSION);
	assert_int_equal(act(table, 1, "g", "", &caller, NULL), ERROR_PERMISSION);
	tenant_table_release(&table);
}

static void
callers_see_their_own(void **state)
{
	struct caller caller = {.terms = {.name = "a"}};
	(void)state;
	assert_true(caller_sees(&caller, "a"));
	assert_false(caller_sees(&caller, "b"));
	assert_false(caller_sees(&caller, ""));
	assert_false(caller_sees(&caller, "aa"));
	caller.operates = true;
	assert_true(caller_sees(&caller, "b"));
}

static void
another_table_is_another_tenant(void **state)
{
	struct tenant_table *other = make_table("[tenant moved]\nusers = 1000\ngateway = yes\n");
	struct identity identity;
	(void)state;
	identity_init(&identity, 1000, 7, NULL, 0);
	identity_settle(&identity, *state);
	assert_string_equal(identity.own.terms.name, "first");
	struct caller before = identity.own;
	identity_settle(&identity, other);
	tenant_table_release(&other); /* the identity still holds it */
	assert_string_equal(identity.own.terms.name, "moved");
	assert_true(identity.gateway);
	assert_string_equal(before.terms.name, "first");
	assert_int_equal(identity_act(&identity, "x", 1, "y", 1, &before, NULL), ERROR_PERMISSION);
	identity_deinit(&identity);
	identity_deinit(&identity);
}

static void
names_must_be_numbers_by_now(void **state)
{
	static const struct {
		const char *text, *expected;
	} CASES[] = {
	    {"operators = bob\n", "operators: \"bob\" is not a number"},
	    {"operator_groups = staff\n", "operator_groups: \"staff\" is not a number"},
	    {"[tenant a]\nusers = 5 bob\n", "tenant a: users: \"bob\" is not a number"},
	    {"[tenant a]\ngroups = staff\n", "tenant a: groups: \"staff\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct config config;
		struct tenant_table *table = NULL;
		struct error err = ERROR_INIT;
		config_init(&config);
		assert_int_equal(
		    config_read_text(&config, CASES[i].text, strlen(CASES[i].text), "f", &err), 0);
		assert_int_equal(tenant_table_new(&config, &table, &err), ERROR_INVALID);
		assert_null(table);
		if (!strstr(err.text, CASES[i].expected))
			fail_msg("%s", err.text);
		config_deinit(&config);
	}
}

static void
the_kernel_says_who(void **state)
{
	struct identity identity;
	int pair[2];
	gid_t groups[300];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(identity_of_peer(pair[0], &identity, NULL), 0);
	assert_int_equal(identity.uid, geteuid());
	assert_int_equal(identity.pid, getpid());
	assert_int_equal(identity.groups[0], getegid());
	int count = getgroups(300, groups);
	assert_int_equal(identity.group_count, count + 1);
	assert_memory_equal(identity.groups + 1, groups, (size_t)count * sizeof(gid_t));
	identity_deinit(&identity);
	(void)close(pair[0]);
	(void)close(pair[1]);
	struct error err = ERROR_INIT;
	assert_int_equal(identity_of_peer(-1, &identity, &err), ERROR_SYSTEM);
}

static void
many_groups_and_none(void **state)
{
	static const size_t COUNTS[] = {0, 1, 63, 64, 65, 1000};
	gid_t own[300], groups[1000];
	int own_count = getgroups(300, own), pair[2];
	(void)state;
	if (getuid() != 0)
		skip(); /* only root may choose its groups */
	for (size_t i = 0; i < 1000; i++)
		groups[i] = (gid_t)(70000 + i);
	for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++) {
		struct identity identity;
		assert_int_equal(setgroups(COUNTS[i], groups), 0);
		int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
		assert_int_equal(setgroups((size_t)own_count, own), 0);
		assert_int_equal(made, 0);
		assert_int_equal(identity_of_peer(pair[0], &identity, NULL), 0);
		assert_int_equal(identity.group_count, COUNTS[i] + 1);
		if (COUNTS[i] > 0)
			assert_memory_equal(identity.groups + 1, groups, COUNTS[i] * sizeof(gid_t));
		identity_deinit(&identity);
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(users_before_groups_before_the_rest),
	    TEST(gateways_act_with_a_token),
	    TEST(whatever_is_wrong_looks_and_costs_the_same),
	    TEST(nobody_has_the_empty_digest),
	    TEST(callers_see_their_own),
	    TEST(another_table_is_another_tenant),
	    TEST(names_must_be_numbers_by_now),
	    TEST(the_kernel_says_who),
	    TEST(many_groups_and_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
