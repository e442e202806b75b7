/*
 * The database of durable jobs: one file in the state directory, the schema of store_schema.def,
 * and the prepared statements of store_sql.def.
 */
#ifndef STINT_DAEMON_STORE_DB_H
#define STINT_DAEMON_STORE_DB_H

#include "protocol/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_DB_PAGE_BYTES 4096u
#define STORE_DB_ASIDE_MAX  64

enum store_sql {
#define SQL(name, text) STORE_SQL_##name,
#include "daemon/store_sql.def"
#undef SQL
	STORE_SQL_COUNT
};

struct store_db {
	sqlite3 *handle; /* owned; NULL: closed */
	sqlite3_stmt *statements[STORE_SQL_COUNT]; /* owned */
	int dir_fd;				   /* borrowed */
	uint64_t bytes_max;
	/* What an earlier life had handed out waits again: by the first feed of this life, and not
	 * after it, since what is handed out then is this life's. No opening clears it. */
	bool recovered;
	char aside[STORE_DB_ASIDE_MAX]; /* name of the last one that was moved aside; empty: none */
	unsigned aside_count;
};

/*
 * Open, or make, the database in the directory, which is borrowed. A corrupt one is moved aside,
 * logged, and a new one made.
 * ERROR_UNSUPPORTED: its schema is newer than this program, nothing was touched. ERROR_SYSTEM,
 * ERROR_LIMIT: the disk. After an error db is closed, and may be opened again.
 */
int store_db_open(struct store_db *db, int dir_fd, uint64_t bytes_max, struct error *err);
/* Harmless when it is closed. Writes what is in the log to the database. */
void store_db_close(struct store_db *db);
/* It was found corrupt: close it, move it aside, and open a new one. */
int store_db_replace(struct store_db *db, struct error *err);

/* A statement, reset and without bindings; NULL and err filled when it cannot be prepared. */
sqlite3_stmt *store_db_statement(struct store_db *db, enum store_sql which, struct error *err);
/* One step: 1 a row, 0 done, or a negative code with err filled. */
int store_db_step(struct store_db *db, sqlite3_stmt *statement, struct error *err);
/* Run a statement without bindings; rows are passed by. */
int store_db_run(struct store_db *db, enum store_sql which, struct error *err);
/* First column of the first row, as a number. */
int store_db_number(struct store_db *db, enum store_sql which, uint64_t *ret_number,
		    struct error *err);
/*
 * SQLite's code as ours: ERROR_LIMIT: full, the text says whether the disk or store_bytes_max;
 * ERROR_INVALID: corrupt; ERROR_SYSTEM: cannot be read or written.
 */
int store_db_fault(const struct store_db *db, int code, struct error *err);
/* Bytes of pages in use, and of the file. */
int store_db_size(struct store_db *db, uint64_t *ret_used, uint64_t *ret_file, struct error *err);

#endif
