/*
 * The zygote's live children: pid, serial and uid of each. Fixed size, no heap.
 */
#ifndef STINT_WORKER_ZYGOTE_TABLE_H
#define STINT_WORKER_ZYGOTE_TABLE_H

#include "protocol/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct zygote_child {
	pid_t pid; /* 0: a free entry */
	uid_t uid;
	uint64_t serial;
	uint64_t leaf; /* the serial that its control group is named by */
	bool stopped;  /* was, once */
};

struct zygote_table {
	struct zygote_child children[WORKERS_MAX];
	unsigned count;
	uint64_t last_serial; /* serials only rise */
};

#define ZYGOTE_TABLE_ANY 0 /* a uid that no worker has: only the serial is judged */
/* Whether a worker with that serial and uid may be added: serial rises, uid is nobody else's. */
bool zygote_table_allows(const struct zygote_table *table, uint64_t serial, uid_t uid);
bool zygote_table_is_full(const struct zygote_table *table);
/* Remember that this serial was used, also when the fork failed. */
void zygote_table_use(struct zygote_table *table, uint64_t serial);
/* Neither allows nor is_full is asked again: require()d. */
void zygote_table_add(struct zygote_table *table, pid_t pid, uint64_t serial, uid_t uid,
		      uint64_t leaf);
/* Whether a live worker is in it: no two share what they may use. */
bool zygote_table_has_leaf(const struct zygote_table *table, uint64_t leaf);
/* Borrowed until the next call that changes the table; NULL when there is none. */
struct zygote_child *zygote_table_find_pid(struct zygote_table *table, pid_t pid);
struct zygote_child *zygote_table_find_serial(struct zygote_table *table, uint64_t serial);
void zygote_table_remove(struct zygote_table *table, struct zygote_child *child);

#endif
