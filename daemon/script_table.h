/*
 * The scripts that tenants have put, in memory: found by tenant and id, bounded for each tenant and
 * together. An id is the SHA-256 of the content; the same content is one script, of each tenant its
 * own.
 */
#ifndef STINT_DAEMON_SCRIPT_TABLE_H
#define STINT_DAEMON_SCRIPT_TABLE_H

#include "daemon/compiled.h"
#include "daemon/content_hash.h"
#include "daemon/hash_table.h"
#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a script costs beside its content. */
#define SCRIPT_TABLE_ENTRY_BYTES 512u

struct script {
	struct hash_link link;
	struct script_tenant *tenant; /* borrowed; NULL: not in the table any more */
	char id[CONTENT_HASH_CHARS + 1];
	char name[NAME_BYTES_MAX + 1]; /* shown in tracebacks; empty: none was given */
	bool is_code;		       /* a .pyc file; else source text */
	char *content;		       /* owned */
	size_t size;
	unsigned holds; /* of the table, and of those that read it */
	struct compiled *compiled; /* held; NULL: it is byte code already */
};

struct script_table {
	struct hash_table scripts, tenants;
	uint64_t bytes, bytes_max, tenant_max;
	struct compiled_room code; /* of compiled code, beside the others */
};

/* code_max: for compiled code, of which one tenant has at most a quarter. */
void script_table_init(struct script_table *ret_table, uint64_t tenant_max, uint64_t bytes_max,
		       uint64_t code_max);
void script_table_deinit(struct script_table *table);
/* NULL: the tenant has none with this id. */
struct script *script_table_find(const struct script_table *table, const char *tenant,
				 const char *id);
/* May it have one more of that size? ERROR_LIMIT names the cap. */
int script_table_admit(const struct script_table *table, const char *tenant, size_t size,
		       struct error *err);
/* One of that size is on its way to the disk: it counts. No more, whatever became of it. */
void script_table_hold(struct script_table *table, const char *tenant, size_t size);
void script_table_release(struct script_table *table, const char *tenant, size_t size);
/* Takes the content over. The tenant must have none with this id. Caps do not apply. */
struct script *script_table_add(struct script_table *table, const char *tenant, const char *id,
				const char *name, bool is_code, char *content, size_t size);
/* Not found any more; gone when nobody holds it. */
void script_table_remove(struct script_table *table, struct script **script);
/* Keep what it has (id, name, content), in the table or not; only on the loop. */
struct script *script_hold(struct script *script);
void script_release(struct script **script);

#endif
