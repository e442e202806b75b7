/*
 * Opening the database: settings, age, health; and the errors of SQLite in our words.
 *
 * It is in WAL mode with synchronous=FULL: what was committed is on the disk. Locking is exclusive,
 * so that the log's index stays in memory and no file is shared. What SQLite cannot read as a
 * database is moved aside, never deleted. Called on the store thread only (and once before it
 * runs). Fails as the header says; a moved database is logged here, since nobody sees it otherwise.
 */
#include "daemon/store_db.h"

#include "daemon/store_vfs.h"
#include "protocol/base_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STORE_DB_AGE_TEXT_BYTES 48
/* A database up to this is read through at the start. */
#define STORE_DB_CHECKED_BYTES (256u << 20)
/* What the log keeps on disk after a large transaction has been written back. */
#define STORE_DB_LOG_BYTES "8388608"

struct step {
	unsigned version;
	const char *sql;
};

static const struct step STEPS[] = {
#define STEP(version, sql) {version, sql},
#include "daemon/store_schema.def"
#undef STEP
};
#define STEP_COUNT (sizeof(STEPS) / sizeof(STEPS[0]))

static const char *const SQL_TEXTS[STORE_SQL_COUNT] = {
#define SQL(name, text) [STORE_SQL_##name] = text,
#include "daemon/store_sql.def"
#undef SQL
};

static const char SETTINGS[] = "PRAGMA locking_mode = EXCLUSIVE;"
			       "PRAGMA auto_vacuum = INCREMENTAL;"
			       "PRAGMA journal_mode = WAL;"
			       "PRAGMA synchronous = FULL;"
			       "PRAGMA journal_size_limit = " STORE_DB_LOG_BYTES ";"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA cache_size = -2048;"
			       "PRAGMA trusted_schema = OFF;"
			       "PRAGMA cell_size_check = ON;";

int
store_db_fault(const struct store_db *db, int code, struct error *err)
{
	int sys = store_vfs_errno();
	switch (code & 0xff) {
	case SQLITE_FULL:
		if (sys == ENOSPC || sys == EDQUOT)
			return error_set(err, ERROR_LIMIT, "the disk that holds state_dir is full");
		return error_set(err, ERROR_LIMIT,
				 "the job store is full: store_bytes_max is %llu bytes",
				 (unsigned long long)db->bytes_max);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return error_set(err, ERROR_INVALID, "the job store is corrupt: %s",
				 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
	default:
		return error_set(err, ERROR_SYSTEM, "the job store: %s%s%s",
				 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code),
				 sys != 0 ? ": " : "", sys != 0 ? strerror(sys) : "");
	}
}

sqlite3_stmt *
store_db_statement(struct store_db *db, enum store_sql which, struct error *err)
{
	sqlite3_stmt **statement = &db->statements[which];
	if (*statement == NULL) {
		int code = sqlite3_prepare_v3(db->handle, SQL_TEXTS[which], -1,
					      SQLITE_PREPARE_PERSISTENT, statement, NULL);
		if (code != SQLITE_OK) {
			(void)store_db_fault(db, code, err);
			return NULL;
		}
	}
	(void)sqlite3_reset(*statement);
	(void)sqlite3_clear_bindings(*statement);
	return *statement;
}

int
store_db_step(struct store_db *db, sqlite3_stmt *statement, struct error *err)
{
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE) {
		(void)sqlite3_reset(statement);
		return 0;
	}
	int rc = store_db_fault(db, code, err);
	(void)sqlite3_reset(statement);
	return rc;
}

int
store_db_run(struct store_db *db, enum store_sql which, struct error *err)
{
	sqlite3_stmt *statement = store_db_statement(db, which, err);
	int rc;
	if (statement == NULL)
		return err != NULL ? err->code : ERROR_SYSTEM;
	do
		rc = store_db_step(db, statement, err);
	while (rc == 1);
	return rc;
}

int
store_db_number(struct store_db *db, enum store_sql which, uint64_t *ret_number, struct error *err)
{
	sqlite3_stmt *statement = store_db_statement(db, which, err);
	if (statement == NULL)
		return err != NULL ? err->code : ERROR_SYSTEM;
	int rc = store_db_step(db, statement, err);
	if (rc == 1)
		*ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement);
	return rc < 0 ? rc : 0;
}

int
store_db_size(struct store_db *db, uint64_t *ret_used, uint64_t *ret_file, struct error *err)
{
	uint64_t pages = 0, unused = 0;
	int rc = store_db_number(db, STORE_SQL_PAGES, &pages, err);
	if (rc == 0)
		rc = store_db_number(db, STORE_SQL_FREE_PAGES, &unused, err);
	if (rc < 0)
		return rc;
	*ret_file = pages * STORE_DB_PAGE_BYTES;
	*ret_used = (pages - unused) * STORE_DB_PAGE_BYTES;
	return 0;
}

static int
execute(struct store_db *db, const char *sql, struct error *err)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : store_db_fault(db, code, err);
}

/* One number, or one text that must be `want`, of a statement that is run once. */
static int
ask(struct store_db *db, const char *sql, const char *want, uint64_t *ret_number, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL), rc = 0;
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code != SQLITE_ROW) {
		rc = store_db_fault(db, code, err);
	} else if (want != NULL) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		if (text == NULL || strcmp(text, want) != 0)
			rc = error_set(err, ERROR_INVALID, "the job store is corrupt: %.160s",
				       text != NULL ? text : "no answer");
	} else {
		*ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
	}
	(void)sqlite3_finalize(statement);
	return rc;
}

static int
migrate(struct store_db *db, struct error *err)
{
	uint64_t version = 0;
	int rc = ask(db, "PRAGMA user_version", NULL, &version, err);
	if (rc < 0)
		return rc;
	if (version > STEPS[STEP_COUNT - 1].version)
		return error_set(
		    err, ERROR_UNSUPPORTED,
		    "state_dir: its database has schema %llu, and this stint knows those up to %u "
		    "(remedy: install the stint that made it, or set another state_dir)",
		    (unsigned long long)version, STEPS[STEP_COUNT - 1].version);
	for (size_t i = 0; i < STEP_COUNT && rc == 0; i++) {
		char age[STORE_DB_AGE_TEXT_BYTES];
		if (STEPS[i].version <= version)
			continue;
		(void)snprintf(age, sizeof(age), "PRAGMA user_version = %u", STEPS[i].version);
		rc = execute(db, "BEGIN IMMEDIATE", err);
		if (rc == 0)
			rc = execute(db, STEPS[i].sql, err);
		if (rc == 0)
			rc = execute(db, age, err);
		if (rc == 0)
			rc = execute(db, "COMMIT", err);
		if (rc < 0)
			(void)execute(db, "ROLLBACK", NULL);
	}
	return rc;
}

static int
open_once(struct store_db *db, struct error *err)
{
	char pages[STORE_DB_AGE_TEXT_BYTES];
	uint64_t count = 0;
	int code = sqlite3_open_v2(STORE_VFS_FILE, &db->handle,
				   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				   STORE_VFS_NAME);
	if (code != SQLITE_OK)
		return store_db_fault(db, code, err);
	(void)sqlite3_extended_result_codes(db->handle, 1);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* Before anything of it is believed; and first, so that the log is never shared. */
	int rc = execute(db, SETTINGS, err);
	if (rc == 0)
		rc = ask(db, "PRAGMA page_count", NULL, &count, err);
	/* A large one would hold up the start: what is wrong with it shows when it is met. */
	if (rc == 0 && count <= STORE_DB_CHECKED_BYTES / STORE_DB_PAGE_BYTES)
		rc = ask(db, "PRAGMA quick_check(1)", "ok", NULL, err);
	if (rc == 0)
		rc = migrate(db, err);
	(void)snprintf(pages, sizeof(pages), "PRAGMA max_page_count = %llu",
		       (unsigned long long)(db->bytes_max / STORE_DB_PAGE_BYTES));
	if (rc == 0)
		rc = execute(db, pages, err);
	return rc;
}

static int
move_aside(struct store_db *db, struct error *err)
{
	char suffix[STORE_DB_ASIDE_MAX - sizeof(STORE_VFS_FILE)];
	struct timespec now;
	struct tm parts;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &parts);
	(void)snprintf(suffix, sizeof(suffix), "corrupt-%04d%02d%02dT%02d%02d%02d.%06ldZ",
		       (parts.tm_year + 1900) % 10000, parts.tm_mon + 1, parts.tm_mday,
		       parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1000);
	int rc = store_vfs_set_aside(db->dir_fd, suffix, err);
	if (rc < 0)
		return rc;
	(void)snprintf(db->aside, sizeof(db->aside), STORE_VFS_FILE ".%s", suffix);
	db->aside_count++;
	return 0;
}

void
store_db_close(struct store_db *db)
{
	for (size_t i = 0; i < STORE_SQL_COUNT; i++) {
		(void)sqlite3_finalize(db->statements[i]);
		db->statements[i] = NULL;
	}
	(void)sqlite3_close_v2(db->handle);
	db->handle = NULL;
}

int
store_db_open(struct store_db *db, int dir_fd, uint64_t bytes_max, struct error *err)
{
	struct error why = ERROR_INIT;
	db->dir_fd = dir_fd;
	db->bytes_max = bytes_max;
	store_vfs_clear();
	int rc = open_once(db, &why);
	if (rc == 0)
		return 0;
	if (rc == ERROR_INVALID)
		return store_db_replace(db, err);
	store_db_close(db);
	return error_set(err, rc, "%s", why.text);
}

int
store_db_replace(struct store_db *db, struct error *err)
{
	store_db_close(db);
	int rc = move_aside(db, err);
	if (rc < 0)
		return rc;
	/* Nothing of an earlier life is in the new one, whenever that can be opened. */
	db->recovered = true;
	log_error("store",
		  "the database in state_dir is corrupt and was moved to %s; the jobs and results "
		  "in it are not served. A new one is in use (remedy: see it with sqlite3)",
		  db->aside);
	rc = open_once(db, err);
	if (rc < 0)
		store_db_close(db);
	return rc;
}
