/*
 * Rules between the sections of tenants and with the service's settings, what a section comes to,
 * and numbers in the place of names.
 *
 * Called at the end of each reading, and again when names are resolved. Makes no system call of its
 * own. A fault is an error that names the tenants.
 */
#define _GNU_SOURCE
#include "protocol/config_parse.h"
#include "protocol/config_section.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RULES_QUOTE_BYTES 48
#define RULES_WORDS_MAX   4096 /* bytes of a setting's words */

bool
config_word_next(const char **at, const char **ret_word, size_t *ret_length)
{
	const char *word = *at;

	if (word == NULL)
		return false;
	word += strspn(word, " \t");
	*ret_length = strcspn(word, " \t");
	*ret_word = word;
	*at = word + *ret_length;
	return *ret_length > 0;
}

int
config_word_number(const char *word, size_t length, uint32_t *ret_number)
{
	uint64_t number = 0;

	if (length == 4 && memcmp(word, "root", 4) == 0) {
		*ret_number = 0;
		return 0;
	}
	for (size_t i = 0; i < length; i++) {
		if (word[i] < '0' || word[i] > '9')
			return ERROR_NOT_FOUND;
		if (number <= UINT32_MAX)
			number = number * 10 + (uint64_t)(word[i] - '0');
	}
	if (length == 0 || number >= UINT32_MAX)
		return ERROR_INVALID;
	*ret_number = (uint32_t)number;
	return 0;
}

const struct config_tenant *
config_tenant_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->tenant_count; i++) {
		if (strcmp(config->tenants[i].name, name) == 0)
			return &config->tenants[i];
	}
	return NULL;
}

void
config_tenant_terms(const struct config *config, const struct config_tenant *tenant,
		    struct tenant_terms *ret_terms)
{
	tenant_terms_init(ret_terms, tenant->name, &config->limits_default, &config->limits_max);
	memcpy(ret_terms->values, tenant->values, sizeof(ret_terms->values));
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		enum limit_id id = (enum limit_id)i;
		uint64_t max = limits_get(&config->limits_max, id);
		uint64_t def = limits_get(&config->limits_default, id);

		if (tenant->lines[TENANT_KEY_MAX + i] != 0)
			max = limits_get(&tenant->limits_max, id);
		if (tenant->lines[TENANT_KEY_DEFAULT + i] != 0)
			def = limits_get(&tenant->limits_default, id);
		else if (def > max)
			def = max;
		limits_set(&ret_terms->limits_max, id, max);
		limits_set(&ret_terms->limits_default, id, def);
	}
}

/* A tenant's limits against each other and against the service's. */
static int
rules_limits(const struct config *config, const struct config_tenant *tenant, unsigned *ret_line,
	     struct error *err)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		enum limit_id id = (enum limit_id)i;
		unsigned max_line = tenant->lines[TENANT_KEY_MAX + i];
		unsigned def_line = tenant->lines[TENANT_KEY_DEFAULT + i];
		uint64_t service = limits_get(&config->limits_max, id);
		uint64_t max = max_line != 0 ? limits_get(&tenant->limits_max, id) : service;
		uint64_t def = limits_get(&tenant->limits_default, id);

		*ret_line = max_line;
		if (max > service)
			return error_set(err, ERROR_INVALID,
					 "tenant %s: max_%s (%" PRIu64
					 ") is above the service's (%" PRIu64 ")",
					 tenant->name, LIMITS[i].name, max, service);
		*ret_line = def_line;
		if (def_line != 0 && def > max)
			return error_set(err, ERROR_INVALID,
					 "tenant %s: default_%s (%" PRIu64
					 ") is above its max_%s (%" PRIu64 ")",
					 tenant->name, LIMITS[i].name, def, LIMITS[i].name, max);
	}
	return 0;
}

/* Its own maxima of what the service has a maximum for. */
static int
rules_maxima(const struct config *config, const struct config_tenant *tenant, unsigned *ret_line,
	     struct error *err)
{
	static const struct {
		enum tenant_setting_id own;
		enum setting_id service;
		const char *name;
	} MAXIMA[] = {
#define SAME(name) {TENANT_SETTING_##name, SETTING_ID_##name, #name}
	    SAME(running_max),
	    SAME(queue_jobs_max),
	    SAME(queue_bytes_max),
	    SAME(connections_max),
#undef SAME
	};

	for (size_t i = 0; i < sizeof(MAXIMA) / sizeof(MAXIMA[0]); i++) {
		uint64_t own = tenant->values[MAXIMA[i].own];
		uint64_t service = config->values[MAXIMA[i].service].number;

		*ret_line = tenant->lines[MAXIMA[i].own];
		if (service != 0 && own > service)
			return error_set(err, ERROR_INVALID,
					 "tenant %s: %s (%" PRIu64
					 ") is above the service's (%" PRIu64 ")",
					 tenant->name, MAXIMA[i].name, own, service);
	}
	return 0;
}

/* Something that one tenant only may have: its name, an account, a group. */
struct rules_claim {
	const struct config_tenant *tenant;
	const char *word;
	size_t length;
	bool known; /* the number is */
	uint32_t number;
	unsigned line;
};

static int
rules_claim_order(const void *a, const void *b)
{
	const struct rules_claim *x = a, *y = b;
	size_t shorter = x->length < y->length ? x->length : y->length;
	int order;

	if (x->known != y->known)
		return x->known ? -1 : 1;
	if (x->known && x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (!x->known) {
		order = memcmp(x->word, y->word, shorter);
		if (order != 0)
			return order;
		if (x->length != y->length)
			return x->length < y->length ? -1 : 1;
	}
	return x->line < y->line ? -1 : x->line > y->line;
}

static bool
rules_claim_same(const struct rules_claim *x, const struct rules_claim *y)
{
	if (x->known || y->known)
		return x->known && y->known && x->number == y->number;
	return x->length == y->length && memcmp(x->word, y->word, x->length) == 0;
}

/* All words of one identity key, or the names (identity TENANT_IDENTITY_COUNT). Counts only,
 * without `claims`. */
static size_t
rules_claims(const struct config *config, unsigned identity, struct rules_claim *claims)
{
	size_t count = 0, length;
	const char *word;

	for (size_t i = 0; i < config->tenant_count; i++) {
		const struct config_tenant *tenant = &config->tenants[i];
		bool names = identity == TENANT_IDENTITY_COUNT;
		const char *at = names ? tenant->name : tenant->words[identity];

		while (config_word_next(&at, &word, &length)) {
			if (claims != NULL) {
				struct rules_claim *claim = &claims[count];

				*claim = (struct rules_claim){tenant, word, length, false, 0, 0};
				claim->line = names ? tenant->line
						    : tenant->lines[TENANT_KEY_IDENTITY + identity];
				claim->known =
				    !names && config_word_number(word, length, &claim->number) == 0;
			}
			count++;
		}
	}
	return count;
}

/* Nobody may be in two sections, no section twice in the file. */
static int
rules_unique(const struct config *config, unsigned identity, const char *what, unsigned *ret_line,
	     struct error *err)
{
	char quoted[RULES_QUOTE_BYTES];
	size_t count = rules_claims(config, identity, NULL);
	struct rules_claim *claims;
	int r = 0;

	if (count < 2)
		return 0;
	claims = reallocarray(NULL, count, sizeof(*claims));
	if (claims == NULL)
		return error_errno(err, "tenants");
	(void)rules_claims(config, identity, claims);
	qsort(claims, count, sizeof(*claims), rules_claim_order);
	for (size_t i = 1; i < count && r == 0; i++) {
		const struct rules_claim *first = &claims[i - 1], *second = &claims[i];

		if (!rules_claim_same(first, second))
			continue;
		*ret_line = second->line;
		(void)base_log_quote(second->word, second->length, quoted, sizeof(quoted));
		if (identity == TENANT_IDENTITY_COUNT)
			r = error_set(err, ERROR_INVALID, "tenant %s: has a section in line %u",
				      second->tenant->name, first->line);
		else
			r = error_set(err, ERROR_INVALID,
				      "tenant %s: %s \"%s\" is named for tenant %s already, in "
				      "line %u",
				      second->tenant->name, what, quoted, first->tenant->name,
				      first->line);
	}
	free(claims);
	return r;
}

int
config_section_check(const struct config *config, unsigned *ret_line, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < config->tenant_count && r == 0; i++) {
		r = rules_limits(config, &config->tenants[i], ret_line, err);
		if (r == 0)
			r = rules_maxima(config, &config->tenants[i], ret_line, err);
	}
	if (r == 0)
		r = rules_unique(config, TENANT_IDENTITY_COUNT, "", ret_line, err);
	if (r == 0)
		r = rules_unique(config, TENANT_IDENTITY_users, "the user", ret_line, err);
	if (r == 0)
		r = rules_unique(config, TENANT_IDENTITY_groups, "the group", ret_line, err);
	return r;
}

/* Numbers in the place of the names in *text, which is replaced. */
static int
rules_resolve(char **text, int (*look_up)(const char *name, uint32_t *ret_number), const char *what,
	      struct error *err)
{
	char quoted[RULES_QUOTE_BYTES], name[RULES_WORDS_MAX + 1], made[RULES_WORDS_MAX + 1] = "";
	const char *at = *text, *word;
	size_t length, used = 0;
	uint32_t number;

	while (config_word_next(&at, &word, &length)) {
		int r = config_word_number(word, length, &number);

		require(length <= RULES_WORDS_MAX);
		memcpy(name, word, length);
		name[length] = '\0';
		if (r == ERROR_NOT_FOUND)
			r = look_up(name, &number);
		if (r < 0)
			return error_set(err, ERROR_NOT_FOUND, "%s: there is no \"%s\"", what,
					 base_log_quote(word, length, quoted, sizeof(quoted)));
		used += (size_t)snprintf(made + used, sizeof(made) - used, "%s%" PRIu32,
					 used > 0 ? " " : "", number);
		if (used >= sizeof(made))
			return error_set(err, ERROR_LIMIT,
					 "%s: too many: their numbers take more than %d bytes "
					 "(remedy: a group)",
					 what, RULES_WORDS_MAX);
	}
	free(*text);
	*text = strdup(made);
	return *text != NULL ? 0 : error_errno(err, "%s", what);
}

/* Its users and groups; *ret_line is where those are set that there is a fault in. */
static int
rules_resolve_tenant(struct config_tenant *tenant, const struct config_names *names,
		     unsigned *ret_line, struct error *err)
{
	char **users = &tenant->words[TENANT_IDENTITY_users];
	char **groups = &tenant->words[TENANT_IDENTITY_groups];
	int r = 0;

	*ret_line = tenant->lines[TENANT_KEY_IDENTITY + TENANT_IDENTITY_users];
	if (*users != NULL)
		r = rules_resolve(users, names->user, "users", err);
	if (r == 0) {
		*ret_line = tenant->lines[TENANT_KEY_IDENTITY + TENANT_IDENTITY_groups];
		if (*groups != NULL)
			r = rules_resolve(groups, names->group, "groups", err);
	}
	return r < 0 ? error_wrap(err, "tenant %s", tenant->name) : 0;
}

int
config_resolve(struct config *config, const struct config_names *names, const char *name,
	       struct error *err)
{
	char **users = &config->values[SETTING_ID_operators].text;
	char **groups = &config->values[SETTING_ID_operator_groups].text;
	unsigned line = 0;
	int r = rules_resolve(users, names->user, "operators", err);

	if (r == 0)
		r = rules_resolve(groups, names->group, "operator_groups", err);
	for (size_t i = 0; i < config->tenant_count && r == 0; i++)
		r = rules_resolve_tenant(&config->tenants[i], names, &line, err);
	if (r == 0) {
		line = 0;
		r = config_check_at(config, &line, err);
	}
	if (r < 0)
		return line > 0 ? error_wrap(err, "%s:%u", name, line)
				: error_wrap(err, "%s", name);
	return 0;
}

static int
rules_need_restart(const char *what, struct error *err)
{
	return error_set(err, ERROR_INVALID,
			 "%s: cannot change while the service runs (remedy: restart the service)",
			 what);
}

int
config_check_reload(const struct config *from, const struct config *to, struct error *err)
{
	struct config_key key;

	for (unsigned i = 0; i < SETTING_ID_COUNT; i++) {
		const struct setting_value *was = &from->values[i], *is = &to->values[i];

		config_key_get(i, &key);
		if (key.live)
			continue;
		if (was->number != is->number ||
		    (was->text != NULL && strcmp(was->text, is->text) != 0))
			return rules_need_restart(key.name, err);
	}
	/* Zygotes give up the right to make scratch directories when no job may have one. */
	if ((from->limits_max.scratch_bytes == 0) != (to->limits_max.scratch_bytes == 0))
		return rules_need_restart("max_scratch_bytes, from or to 0", err);
	return 0;
}
