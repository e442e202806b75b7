/*
 * A table of at most WORKERS_MAX children, searched in line: it is looked at once per fork and
 * death. Pure data; an entry is free when its pid is 0. Called by zygote_loop.c only.
 */
#include "worker/zygote_table.h"

#include "protocol/base_assert.h"

#include <stddef.h>
#include <string.h>

bool
zygote_table_allows(const struct zygote_table *table, uint64_t serial, uid_t uid)
{
	if (serial <= table->last_serial)
		return false;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (table->children[i].pid != 0 && table->children[i].uid == uid)
			return false;
	return true;
}

bool
zygote_table_has_leaf(const struct zygote_table *table, uint64_t leaf)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (table->children[i].pid != 0 && table->children[i].leaf == leaf)
			return true;
	return false;
}

bool
zygote_table_is_full(const struct zygote_table *table)
{
	return table->count == WORKERS_MAX;
}

void
zygote_table_use(struct zygote_table *table, uint64_t serial)
{
	table->last_serial = serial;
}

void
zygote_table_add(struct zygote_table *table, pid_t pid, uint64_t serial, uid_t uid, uint64_t leaf)
{
	require(pid > 0);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (table->children[i].pid != 0)
			continue;
		table->children[i] = (struct zygote_child){pid, uid, serial, leaf, false};
		table->count++;
		return;
	}
	require(!"a free entry");
}

struct zygote_child *
zygote_table_find_pid(struct zygote_table *table, pid_t pid)
{
	for (unsigned i = 0; pid > 0 && i < WORKERS_MAX; i++)
		if (table->children[i].pid == pid)
			return &table->children[i];
	return NULL;
}

struct zygote_child *
zygote_table_find_serial(struct zygote_table *table, uint64_t serial)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (table->children[i].pid != 0 && table->children[i].serial == serial)
			return &table->children[i];
	return NULL;
}

void
zygote_table_remove(struct zygote_table *table, struct zygote_child *child)
{
	require(child->pid != 0 && table->count > 0);
	memset(child, 0, sizeof(*child));
	table->count--;
}
