/*
 * The accounts of tenants: chains by name, and a list of those that may go. Their number is
 * bounded; the names are the administrator's or made from user ids, so the chains need no keyed
 * hash. Decides nothing, frees no job. Called by the engine's parts on the loop. Only account_get
 * can fail, before anything has changed.
 */
#include "daemon/account.h"

#include "protocol/base_assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
account_table_init(struct account_table *ret_table, size_t count_max)
{
	memset(ret_table, 0, sizeof(*ret_table));
	list_init(&ret_table->idle);
	ret_table->count_max = count_max;
}

static size_t
account_chain(const char *name)
{
	uint64_t hash = 14695981039346656037ull; /* FNV-1a */
	for (const char *at = name; *at; at++)
		hash = (hash ^ (uint64_t)(unsigned char)*at) * 1099511628211ull;
	return (hash ^ hash >> 32) % ACCOUNT_CHAINS;
}

static void
account_drop(struct account_table *table, struct account *account)
{
	struct account **at = &table->chains[account_chain(account->terms.name)];
	require(account->jobs == 0);
	while (*at && *at != account)
		at = &(*at)->next_same;
	require(*at == account);
	*at = account->next_same;
	list_remove(&account->idle);
	pick_tenant_deinit(&account->share);
	if (!account->named)
		table->count--;
	free(account);
}

/* Drop idle accounts of users, the oldest first, until there are at most that many or all have
 * jobs. */
static void
account_shrink(struct account_table *table, size_t count_max)
{
	struct link *oldest;
	while (table->count > count_max && (oldest = list_first(&table->idle)))
		account_drop(table, list_item(oldest, struct account, idle));
}

void
account_table_resize(struct account_table *table, size_t count_max)
{
	table->count_max = count_max;
	account_shrink(table, count_max);
}

void
account_table_deinit(struct account_table *table)
{
	for (size_t i = 0; i < ACCOUNT_CHAINS; i++) {
		while (table->chains[i])
			account_drop(table, table->chains[i]);
	}
}

struct account *
account_find(const struct account_table *table, const char *name)
{
	struct account *account = table->chains[account_chain(name)];
	while (account && strcmp(account->terms.name, name) != 0)
		account = account->next_same;
	return account;
}

/* Room for one more user's; ERROR_LIMIT. */
static int
account_make_room(struct account_table *table, struct error *err)
{
	if (table->count_max > 0)
		account_shrink(table, table->count_max - 1);
	if (table->count < table->count_max)
		return 0;
	return error_set(err, ERROR_LIMIT,
			 "%zu users without a section of their own have jobs, no more may "
			 "(remedy: tenants_max)",
			 table->count);
}

static int
account_new(struct account_table *table, const char *name, struct account **ret_account,
	    struct error *err)
{
	bool named = !tenant_name_is_uid(name, strlen(name));
	int code = named ? 0 : account_make_room(table, err);
	if (code < 0)
		return code;
	struct account *account = calloc(1, sizeof(*account));
	if (!account)
		return error_errno(err, "memory for a tenant's account");
	struct account **chain = &table->chains[account_chain(name)];
	account->table = table;
	account->named = named;
	pick_tenant_init(&account->share);
	(void)snprintf(account->terms.name, sizeof(account->terms.name), "%s", name);
	account->next_same = *chain;
	*chain = account;
	if (!named) {
		list_append(&table->idle, &account->idle);
		table->count++;
	}
	*ret_account = account;
	return 0;
}

int
account_get(struct account_table *table, const struct tenant_terms *terms,
	    struct account **ret_account, struct error *err)
{
	struct account *account = account_find(table, terms->name);
	int code = account ? 0 : account_new(table, terms->name, &account, err);
	if (code < 0)
		return code;
	account->terms = *terms;
	*ret_account = account;
	return 0;
}

void
account_table_each(struct account_table *table,
		   void (*visit)(void *context, struct account *account), void *context)
{
	for (size_t i = 0; i < ACCOUNT_CHAINS; i++) {
		for (struct account *at = table->chains[i]; at; at = at->next_same)
			visit(context, at);
	}
}

void
account_set_named(struct account *account, bool named)
{
	const char *name = account->terms.name;
	struct account_table *table = account->table;
	if (account->named == named || tenant_name_is_uid(name, strlen(name)))
		return;
	account->named = named;
	if (named) {
		list_remove(&account->idle);
		table->count--;
	} else {
		if (account->jobs == 0)
			list_append(&table->idle, &account->idle);
		table->count++;
	}
}

void
account_hold(struct account *account)
{
	list_remove(&account->idle);
	account->jobs++;
}

void
account_release(struct account *account)
{
	require(account->jobs > 0);
	if (--account->jobs > 0 || account->named)
		return;
	list_append(&account->table->idle, &account->idle);
	account_shrink(account->table, account->table->count_max);
}

void
account_charge(struct account *account, const struct run_usage *usage)
{
	account->cpu_us_total += usage->cpu_us;
	account->opcodes_total += usage->opcodes;
}
