/*
 * Scripts in memory. Knows nothing of clients, of the store, or of what is in a script; ends the
 * process when there is no memory. Called by method_script.c, on the loop.
 */
#include "daemon/script_table.h"

#include "protocol/base_assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One tenant may have this part of the room for compiled code. */
#define SCRIPT_TABLE_CODE_SHARES 4

struct script_tenant {
	struct hash_link link;
	char name[TENANT_NAME_MAX + 1];
	uint64_t bytes; /* with what is on its way */
	size_t count;
	struct compiled_room code;
};

void
script_table_init(struct script_table *ret_table, uint64_t tenant_max, uint64_t bytes_max,
		  uint64_t code_max)
{
	memset(ret_table, 0, sizeof(*ret_table));
	hash_table_init(&ret_table->scripts);
	hash_table_init(&ret_table->tenants);
	ret_table->tenant_max = tenant_max;
	ret_table->bytes_max = bytes_max;
	ret_table->code.bytes_max = code_max;
}

static struct script_tenant *
find_tenant(const struct script_table *table, const char *name)
{
	uint64_t hash = hash_table_hash(&table->tenants, 0, name, strlen(name));
	struct hash_link *link = hash_table_first(&table->tenants, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct script_tenant *tenant = hash_table_item(link, struct script_tenant, link);
		if (strcmp(tenant->name, name) == 0)
			return tenant;
	}
	return NULL;
}

static uint64_t
script_hash(const struct script_table *table, const char *tenant, const char *id)
{
	uint64_t salt = hash_table_hash(&table->tenants, 0, tenant, strlen(tenant));
	return hash_table_hash(&table->scripts, salt, id, strlen(id));
}

struct script *
script_table_find(const struct script_table *table, const char *tenant, const char *id)
{
	struct hash_link *link = hash_table_first(&table->scripts, script_hash(table, tenant, id));
	for (; link != NULL; link = hash_table_next(link)) {
		struct script *script = hash_table_item(link, struct script, link);
		if (strcmp(script->id, id) == 0 && strcmp(script->tenant->name, tenant) == 0)
			return script;
	}
	return NULL;
}

int
script_table_admit(const struct script_table *table, const char *tenant, size_t size,
		   struct error *err)
{
	const struct script_tenant *found = find_tenant(table, tenant);
	uint64_t own = found != NULL ? found->bytes : 0, cost = size + SCRIPT_TABLE_ENTRY_BYTES;
	if (cost > table->tenant_max || own > table->tenant_max - cost)
		return error_set(err, ERROR_LIMIT,
				 "your scripts have %llu bytes; with this one they would have more "
				 "than scripts_tenant_max = %llu (remedy: script.delete)",
				 (unsigned long long)own, (unsigned long long)table->tenant_max);
	if (cost > table->bytes_max || table->bytes > table->bytes_max - cost)
		return error_set(err, ERROR_LIMIT,
				 "the scripts of all would have more than scripts_bytes_max = %llu "
				 "bytes",
				 (unsigned long long)table->bytes_max);
	return 0;
}

/* One more, made at the first. */
static struct script_tenant *
enter(struct script_table *table, const char *tenant, size_t size)
{
	struct script_tenant *owner = find_tenant(table, tenant);
	if (owner == NULL) {
		owner = calloc(1, sizeof(*owner));
		require(owner != NULL && strlen(tenant) <= TENANT_NAME_MAX);
		memcpy(owner->name, tenant, strlen(tenant));
		owner->code.bytes_max = table->code.bytes_max / SCRIPT_TABLE_CODE_SHARES;
		hash_table_add(&table->tenants, &owner->link,
			       hash_table_hash(&table->tenants, 0, tenant, strlen(tenant)));
	}
	owner->count++;
	owner->bytes += size + SCRIPT_TABLE_ENTRY_BYTES;
	table->bytes += size + SCRIPT_TABLE_ENTRY_BYTES;
	return owner;
}

static void
leave(struct script_table *table, struct script_tenant *owner, size_t size)
{
	owner->bytes -= size + SCRIPT_TABLE_ENTRY_BYTES;
	table->bytes -= size + SCRIPT_TABLE_ENTRY_BYTES;
	if (--owner->count > 0)
		return;
	hash_table_remove(&table->tenants, &owner->link);
	free(owner);
}

void
script_table_hold(struct script_table *table, const char *tenant, size_t size)
{
	(void)enter(table, tenant, size);
}

void
script_table_release(struct script_table *table, const char *tenant, size_t size)
{
	struct script_tenant *owner = find_tenant(table, tenant);
	require(owner != NULL);
	leave(table, owner, size);
}

struct script *
script_table_add(struct script_table *table, const char *tenant, const char *id, const char *name,
		 bool is_code, char *content, size_t size)
{
	struct script *script = calloc(1, sizeof(*script));
	require(script != NULL && script_table_find(table, tenant, id) == NULL);
	script->tenant = enter(table, tenant, size);
	(void)snprintf(script->id, sizeof(script->id), "%s", id);
	(void)snprintf(script->name, sizeof(script->name), "%s", name);
	script->is_code = is_code;
	script->content = content;
	script->size = size;
	script->holds = 1;
	if (!is_code)
		script->compiled = compiled_new(&script->tenant->code, &table->code, size);
	hash_table_add(&table->scripts, &script->link, script_hash(table, tenant, id));
	return script;
}

void
script_table_remove(struct script_table *table, struct script **script)
{
	struct script *gone = *script;
	*script = NULL;
	hash_table_remove(&table->scripts, &gone->link);
	if (gone->compiled != NULL)
		compiled_end(gone->compiled);
	compiled_release(&gone->compiled);
	leave(table, gone->tenant, gone->size);
	gone->tenant = NULL;
	script_release(&gone);
}

struct script *
script_hold(struct script *script)
{
	script->holds++;
	return script;
}

void
script_release(struct script **script)
{
	struct script *gone = *script;
	*script = NULL;
	if (--gone->holds > 0)
		return;
	require(gone->tenant == NULL);
	free(gone->content);
	free(gone);
}

void
script_table_deinit(struct script_table *table)
{
	for (size_t i = 0; i < table->scripts.bucket_count; i++) {
		while (table->scripts.buckets[i] != NULL) {
			struct script *script =
			    hash_table_item(table->scripts.buckets[i], struct script, link);
			script_table_remove(table, &script);
		}
	}
	/* Those with something on its way that never came. */
	for (size_t i = 0; i < table->tenants.bucket_count; i++) {
		while (table->tenants.buckets[i] != NULL) {
			struct script_tenant *tenant =
			    hash_table_item(table->tenants.buckets[i], struct script_tenant, link);
			hash_table_remove(&table->tenants, &tenant->link);
			free(tenant);
		}
	}
	hash_table_deinit(&table->scripts);
	hash_table_deinit(&table->tenants);
}
