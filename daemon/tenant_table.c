/*
 * Sorted arrays of ids and names over an array of tenants in the file's order; see the header.
 *
 * Makes no system call. Called by daemon.c when a configuration is taken, by identity.c for clients
 * and requests. Fails only while it is made.
 */
#define _GNU_SOURCE
#include "daemon/tenant_table.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"

#include <stdlib.h>
#include <string.h>

#define TENANT_TABLE_QUOTE_BYTES 48

/* An account or group, and the place of its tenant. */
struct tenant_id {
	uint32_t number;
	size_t tenant;
};

struct tenant_ids {
	struct tenant_id *ids; /* owned, sorted by number */
	size_t count;
};

struct tenant_table {
	unsigned holders;
	struct config config;   /* owned: without sections */
	struct tenant *tenants; /* owned: tenant_count, in the file's order */
	size_t tenant_count;
	struct tenant **by_name; /* owned, sorted; borrows from tenants */
	struct tenant_ids users, groups, operators, operator_groups;
	struct tenant_terms other;
	size_t digests_most; /* that any tenant has; at least 1 */
};

static int
order_ids(const void *a, const void *b)
{
	const struct tenant_id *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int
order_names(const void *a, const void *b)
{
	const struct tenant *const *x = a, *const *y = b;
	return strcmp((*x)->terms.name, (*y)->terms.name);
}

static size_t
count_words(const char *text)
{
	const char *word;
	size_t count = 0, length;
	while (config_word_next(&text, &word, &length))
		count++;
	return count;
}

/* Put the numbers of a text behind those in *ids, which has room. */
static int
add_ids(struct tenant_ids *ids, const char *text, size_t tenant, const char *what,
	struct error *err)
{
	char quoted[TENANT_TABLE_QUOTE_BYTES];
	const char *word;
	size_t length;
	while (config_word_next(&text, &word, &length)) {
		uint32_t number;
		if (config_word_number(word, length, &number) != 0)
			return error_set(err, ERROR_INVALID,
					 "%s: \"%s\" is not a number: stint-spawner has not looked "
					 "it up",
					 what,
					 base_log_quote(word, length, quoted, sizeof(quoted)));
		ids->ids[ids->count++] = (struct tenant_id){number, tenant};
	}
	return 0;
}

static void
make_room(struct tenant_ids *ids, size_t count)
{
	ids->ids = calloc(count + 1, sizeof(*ids->ids));
	require(ids->ids != NULL);
}

static int
add_operators(struct tenant_table *table, const struct config *config, struct error *err)
{
	const char *users = config_text(config, operators);
	const char *groups = config_text(config, operator_groups);
	make_room(&table->operators, count_words(users));
	make_room(&table->operator_groups, count_words(groups));
	int rc = add_ids(&table->operators, users, 0, "operators", err);
	return rc == 0 ? add_ids(&table->operator_groups, groups, 0, "operator_groups", err) : rc;
}

static int
add_digests(struct tenant_table *table, struct tenant *tenant, const char *text, struct error *err)
{
	const char *word;
	size_t length;
	tenant->digests = calloc(count_words(text) + 1, sizeof(*tenant->digests));
	require(tenant->digests != NULL);
	while (config_word_next(&text, &word, &length)) {
		int rc = token_digest_parse(word, length, &tenant->digests[tenant->digest_count]);
		if (rc != 0)
			return error_set(err, rc, "token_sha256: a word is not a digest");
		tenant->digest_count++;
	}
	if (tenant->digest_count > table->digests_most)
		table->digests_most = tenant->digest_count;
	return 0;
}

static int
add_tenants(struct tenant_table *table, const struct config *config, struct error *err)
{
	size_t users = 0, groups = 0;
	for (size_t i = 0; i < config->tenant_count; i++) {
		users += count_words(config->tenants[i].words[TENANT_IDENTITY_users]);
		groups += count_words(config->tenants[i].words[TENANT_IDENTITY_groups]);
	}
	make_room(&table->users, users);
	make_room(&table->groups, groups);
	table->tenants = calloc(config->tenant_count + 1, sizeof(*table->tenants));
	table->by_name = calloc(config->tenant_count + 1, sizeof(*table->by_name));
	require(table->tenants != NULL && table->by_name != NULL);
	for (size_t i = 0; i < config->tenant_count; i++) {
		const struct config_tenant *section = &config->tenants[i];
		if (strcmp(section->name, CONFIG_TENANT_OTHER) == 0) {
			config_tenant_terms(config, section, &table->other);
			continue; /* nobody's name */
		}
		size_t at = table->tenant_count++;
		struct tenant *tenant = table->by_name[at] = &table->tenants[at];
		config_tenant_terms(config, section, &tenant->terms);
		tenant->gateway = section->gateway;
		int rc =
		    add_digests(table, tenant, section->words[TENANT_IDENTITY_token_sha256], err);
		if (rc == 0)
			rc = add_ids(&table->users, section->words[TENANT_IDENTITY_users], at,
				     "users", err);
		if (rc == 0)
			rc = add_ids(&table->groups, section->words[TENANT_IDENTITY_groups], at,
				     "groups", err);
		if (rc != 0)
			return error_wrap(err, "tenant %s", section->name);
	}
	return 0;
}

static void
sort(const struct tenant_ids *ids)
{
	qsort(ids->ids, ids->count, sizeof(*ids->ids), order_ids);
}

int
tenant_table_new(const struct config *config, struct tenant_table **ret_table, struct error *err)
{
	struct tenant_table *table = calloc(1, sizeof(*table));
	require(table != NULL);
	table->holders = 1;
	table->digests_most = 1;
	tenant_terms_init(&table->other, CONFIG_TENANT_OTHER, &config->limits_default,
			  &config->limits_max);
	int rc = config_copy_service(config, &table->config, err);
	if (rc == 0)
		rc = add_operators(table, config, err);
	if (rc == 0)
		rc = add_tenants(table, config, err);
	if (rc != 0) {
		tenant_table_release(&table);
		return rc;
	}
	sort(&table->users);
	sort(&table->groups);
	sort(&table->operators);
	sort(&table->operator_groups);
	qsort(table->by_name, table->tenant_count, sizeof(*table->by_name), order_names);
	*ret_table = table;
	return 0;
}

struct tenant_table *
tenant_table_hold(struct tenant_table *table)
{
	table->holders++;
	return table;
}

void
tenant_table_release(struct tenant_table **table)
{
	struct tenant_table *t = *table;
	*table = NULL;
	if (t == NULL || --t->holders > 0)
		return;
	config_deinit(&t->config);
	for (size_t i = 0; i < t->tenant_count; i++)
		free(t->tenants[i].digests);
	free(t->tenants);
	free(t->by_name);
	free(t->users.ids);
	free(t->groups.ids);
	free(t->operators.ids);
	free(t->operator_groups.ids);
	free(t);
}

const struct config *
tenant_table_config(const struct tenant_table *table)
{
	return &table->config;
}

static const struct tenant_id *
find_id(const struct tenant_ids *ids, uint32_t number)
{
	const struct tenant_id key = {number, 0};
	return bsearch(&key, ids->ids, ids->count, sizeof(key), order_ids);
}

const struct tenant *
tenant_table_of_user(const struct tenant_table *table, uid_t uid)
{
	const struct tenant_id *id = find_id(&table->users, uid);
	return id != NULL ? &table->tenants[id->tenant] : NULL;
}

const struct tenant *
tenant_table_of_groups(const struct tenant_table *table, const gid_t *groups, size_t count)
{
	const struct tenant_id *first = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct tenant_id *id = find_id(&table->groups, groups[i]);
		if (id != NULL && (first == NULL || id->tenant < first->tenant))
			first = id;
	}
	return first != NULL ? &table->tenants[first->tenant] : NULL;
}

const struct tenant_terms *
tenant_table_other(const struct tenant_table *table)
{
	return &table->other;
}

bool
tenant_table_has_operator(const struct tenant_table *table, uid_t uid, const gid_t *groups,
			  size_t count)
{
	if (find_id(&table->operators, uid) != NULL)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (find_id(&table->operator_groups, groups[i]) != NULL)
			return true;
	}
	return false;
}

const struct tenant *
tenant_table_find(const struct tenant_table *table, const char *name, size_t size)
{
	struct tenant sought;
	const struct tenant *key = &sought;
	if (!tenant_name_valid(name, size))
		return NULL;
	memcpy(sought.terms.name, name, size);
	sought.terms.name[size] = '\0';
	struct tenant **found = bsearch(&key, table->by_name, table->tenant_count,
					sizeof(*table->by_name), order_names);
	return found != NULL ? *found : NULL;
}

const struct tenant *
tenant_table_by_token(const struct tenant_table *table, const char *name, size_t name_size,
		      const char *token, size_t token_size)
{
	static const struct token_digest NONE = {{0}};
	const struct tenant *tenant = tenant_table_find(table, name, name_size);
	size_t count = tenant != NULL ? tenant->digest_count : 0;
	struct token_digest digest;
	bool right = false;
	token_digest(token, token_size, &digest);
	/* As often as for the tenant that has the most, and to the end. */
	for (size_t i = 0; i < table->digests_most; i++) {
		bool same = token_digest_equal(&digest, i < count ? &tenant->digests[i] : &NONE);
		right |= same && i < count;
	}
	return right ? tenant : NULL;
}
