/*
 * Options and tenants of the load generator.
 *
 * Everything is bounded here, in count and in time, so that what runs later ends. It opens nothing
 * but the files of --call. Called by load_main.c and its unit test.
 */
#include "bench/load_plan.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 86400.0
#define RATE_MAX    1e6
#define JOBS_MAX    1000000000.0
#define UID_LAST    4294967294.0

static const char USAGE[] =
    "usage: load --socket PATH [OPTION...] TENANT...\n"
    "\n"
    "Sends jobs and prints how long their answers took. TENANT is NAME or NAME,KEY=VALUE,...:\n"
    "  connections=N     1 if not given\n"
    "  in_flight=K       closed loop: requests without an answer on each connection, 1\n"
    "  rate=R            open loop: R jobs a second, whatever the answers do; latency counts from\n"
    "                    the time at which a job was due\n"
    "  arrivals=poisson  or fixed: intervals of the open loop, poisson\n"
    "  waiting=N         open loop: a job that is due above N unanswered ones is left out, 100000\n"
    "  jobs=N            stop after N jobs\n"
    "  mix=KIND:WEIGHT+KIND:WEIGHT...    kinds of jobs (--kinds), trivial\n"
    "  uid=U             connect as this user (root only)\n"
    "  uids=N            its connections belong to N users, U and those behind it, in turn\n"
    "Options:\n"
    "  --seconds S       count what is due in S seconds, 10\n"
    "  --warm-up S       send for S seconds before that, 0\n"
    "  --drain S         wait at most S seconds for answers afterwards, 60\n"
    "  --seed N          of arrivals and mixes, 1\n"
    "  --call NAME=METHOD[:FILE]   one more kind: a request with the params of a JSON file\n"
    "  --any-status      a job that ends with another status than its kind should is no failure\n"
    "  --json FILE       write the figures there, too\n"
    "  --kinds           list the kinds\n"
    "Exit status: 0; 1: an answer is missing, cannot be read or is not what its kind should give;\n"
    "2: nothing was sent. Refusals are counted and no failure.\n";

const char *
load_plan_usage(void)
{
	return USAGE;
}

/* A number from low to high. */
static int
take_number(const char *what, const char *text, double low, double high, double *ret_value,
	    struct error *err)
{
	char *end = NULL;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(value >= low && value <= high))
		return error_set(err, ERROR_INVALID, "%s: '%.60s' is no number from %.10g to %.10g",
				 what, text, low, high);
	*ret_value = value;
	return 0;
}

static int
take_count(const char *what, const char *text, double low, double high, double *ret_value,
	   struct error *err)
{
	double value = 0;
	int code = take_number(what, text, low, high, &value, err);

	if (code == 0 && value != (double)(uint64_t)value)
		code = error_set(err, ERROR_INVALID, "%s: '%.60s' is no whole number", what, text);
	if (code == 0)
		*ret_value = value;
	return code;
}

static int
take_unsigned(const char *what, const char *text, double high, unsigned *ret_value,
	      struct error *err)
{
	double value = 0;
	int code = take_count(what, text, 1, high, &value, err);

	if (code == 0)
		*ret_value = (unsigned)value;
	return code;
}

/* "trivial:9+sleep:1"; changes the text. */
static int
take_mix(const struct load_kinds *kinds, char *text, struct load_tenant *tenant, struct error *err)
{
	char *rest = NULL;

	memset(tenant->weights, 0, sizeof(tenant->weights));
	for (char *word = strtok_r(text, "+", &rest); word; word = strtok_r(NULL, "+", &rest)) {
		char *colon = strchr(word, ':');
		unsigned weight = 1;
		int kind;

		if (colon != NULL) {
			int code = take_unsigned("weight", colon + 1, 1e6, &weight, err);

			if (code < 0)
				return code;
			*colon = '\0';
		}
		kind = load_kinds_find(kinds, word, strlen(word));
		if (kind < 0)
			return error_set(err, ERROR_INVALID, "mix: no kind '%.40s' (see --kinds)",
					 word);
		tenant->weights[kind] += weight;
	}
	return 0;
}

static int
take_arrivals(const char *value, struct load_tenant *tenant, struct error *err)
{
	tenant->poisson = strcmp(value, "poisson") == 0;
	if (!tenant->poisson && strcmp(value, "fixed") != 0)
		return error_set(err, ERROR_INVALID, "arrivals: '%.40s' is not poisson or fixed",
				 value);
	return 0;
}

static int
take_key(const struct load_plan *plan, char *key, char *value, struct load_tenant *tenant,
	 struct error *err)
{
	double number = 0;
	int code;

	if (strcmp(key, "connections") == 0)
		return take_unsigned(key, value, LOAD_CONNECTIONS_MAX, &tenant->connections, err);
	if (strcmp(key, "in_flight") == 0)
		return take_unsigned(key, value, LOAD_WAITING_MAX, &tenant->in_flight, err);
	if (strcmp(key, "rate") == 0)
		return take_number(key, value, 0.01, RATE_MAX, &tenant->rate, err);
	if (strcmp(key, "waiting") == 0)
		return take_unsigned(key, value, LOAD_WAITING_MAX, &tenant->waiting_max, err);
	if (strcmp(key, "uids") == 0)
		return take_unsigned(key, value, LOAD_CONNECTIONS_MAX, &tenant->uids, err);
	if (strcmp(key, "arrivals") == 0)
		return take_arrivals(value, tenant, err);
	if (strcmp(key, "mix") == 0)
		return take_mix(&plan->kinds, value, tenant, err);
	if (strcmp(key, "jobs") == 0) {
		code = take_count(key, value, 1, JOBS_MAX, &number, err);
		tenant->jobs_max = (uint64_t)number;
		return code;
	}
	if (strcmp(key, "uid") == 0) {
		code = take_count(key, value, 0, UID_LAST, &number, err);
		tenant->uid = (long)number;
		return code;
	}
	return error_set(err, ERROR_INVALID, "a tenant has no '%.40s'", key);
}

static int
check_tenant(const struct load_tenant *tenant, struct error *err)
{
	if (tenant->name[0] == '\0')
		return error_set(err, ERROR_INVALID, "a tenant begins with its name");
	if (tenant->uids > 1 && tenant->uid < 0)
		return error_set(err, ERROR_INVALID, "%s: uids needs uid", tenant->name);
	if (tenant->uids > tenant->connections)
		return error_set(err, ERROR_INVALID, "%s: more uids than connections",
				 tenant->name);
	if (tenant->rate > 0 && tenant->in_flight > 1)
		return error_set(err, ERROR_INVALID, "%s: in_flight is for the closed loop",
				 tenant->name);
	if ((double)tenant->connections * tenant->in_flight > LOAD_WAITING_MAX)
		return error_set(err, ERROR_INVALID, "%s: more than %d requests in flight",
				 tenant->name, LOAD_WAITING_MAX);
	return 0;
}

int
load_plan_add_tenant(struct load_plan *plan, const char *text, struct error *err)
{
	struct load_tenant tenant = {.uid = -1, .uids = 1, .connections = 1, .in_flight = 1};
	char *copy, *rest = NULL, *word;
	int code = 0;

	tenant.poisson = true;
	tenant.waiting_max = 100000;
	tenant.weights[0] = 1;
	if (plan->tenant_count == LOAD_TENANTS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d tenants", LOAD_TENANTS_MAX);
	copy = strdup(text);
	if (copy == NULL)
		return error_errno(err, "strdup");
	word = strtok_r(copy, ",", &rest);
	if (word != NULL && strchr(word, '=') == NULL)
		(void)snprintf(tenant.name, sizeof(tenant.name), "%s", word);
	while (code == 0 && (word = strtok_r(NULL, ",", &rest)) != NULL) {
		char *equal = strchr(word, '=');

		if (equal == NULL) {
			code = error_set(err, ERROR_INVALID, "'%.60s' is not KEY=VALUE", word);
			break;
		}
		*equal = '\0';
		code = take_key(plan, word, equal + 1, &tenant, err);
	}
	free(copy);
	if (code == 0)
		code = check_tenant(&tenant, err);
	if (code == 0)
		plan->tenants[plan->tenant_count++] = tenant;
	return code;
}

enum load_option { SOCKET = 256, SECONDS, WARM_UP, DRAIN, SEED, CALL, ANY_STATUS, JSON };

static const struct option OPTIONS[] = {
    {"socket", required_argument, NULL, SOCKET},
    {"seconds", required_argument, NULL, SECONDS},
    {"warm-up", required_argument, NULL, WARM_UP},
    {"drain", required_argument, NULL, DRAIN},
    {"seed", required_argument, NULL, SEED},
    {"call", required_argument, NULL, CALL},
    {"any-status", no_argument, NULL, ANY_STATUS},
    {"json", required_argument, NULL, JSON},
    {NULL, 0, NULL, 0},
};

static int
take_option(struct load_plan *plan, int option, struct error *err)
{
	double number = 0;
	int code;

	switch (option) {
	case SOCKET:
		plan->socket = optarg;
		return 0;
	case JSON:
		plan->json = optarg;
		return 0;
	case ANY_STATUS:
		plan->any_status = true;
		return 0;
	case CALL:
		return load_kinds_add(&plan->kinds, optarg, err);
	case SECONDS:
		return take_number("seconds", optarg, 0.01, SECONDS_MAX, &plan->seconds, err);
	case WARM_UP:
		return take_number("warm-up", optarg, 0, SECONDS_MAX, &plan->warm_up, err);
	case DRAIN:
		return take_number("drain", optarg, 0, SECONDS_MAX, &plan->drain, err);
	case SEED:
		code = take_count("seed", optarg, 0, 0x1p53, &number, err);
		plan->seed = (uint64_t)number;
		return code;
	default:
		return error_set(err, ERROR_INVALID, "unknown option (see --help)");
	}
}

static int
parse_words(int argc, char **argv, struct load_plan *plan, struct error *err)
{
	int code = 0, option;

	optind = 0; /* glibc: from the beginning, also a second time */
	while (code == 0 && (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
		code = take_option(plan, option, err);
	for (int i = optind; code == 0 && i < argc; i++)
		code = load_plan_add_tenant(plan, argv[i], err);
	if (code == 0 && plan->socket == NULL)
		code = error_set(err, ERROR_INVALID, "--socket is missing");
	if (code == 0 && plan->tenant_count == 0)
		code = error_set(err, ERROR_INVALID, "no tenant; the least is: all");
	return code;
}

int
load_plan_parse(int argc, char **argv, struct load_plan *ret_plan, struct error *err)
{
	int code;

	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->seconds = 10;
	ret_plan->drain = 60;
	ret_plan->seed = 1;
	code = load_kinds_init(&ret_plan->kinds, err);
	if (code == 0)
		code = parse_words(argc, argv, ret_plan, err);
	if (code < 0)
		load_plan_deinit(ret_plan);
	return code;
}

void
load_plan_deinit(struct load_plan *plan)
{
	load_kinds_deinit(&plan->kinds);
}
