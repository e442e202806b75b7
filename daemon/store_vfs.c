/*
 * SQLite's file system of one directory.
 *
 * Files are opened by their name below the directory's descriptor, never through a link, and made
 * for the owner only. There are no locks: the spawner holds one on the directory for as long as the
 * service lives, and the database is opened in exclusive mode, which also keeps the index of the
 * write-ahead log in memory. No memory is mapped, and there are no temporary files. A new name is
 * made durable with the first sync of its file. Called by SQLite on the store thread; a failure is
 * SQLite's code, and its errno is kept for the text.
 */
#define _GNU_SOURCE
#include "daemon/store_vfs.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STORE_VFS_SECTOR_BYTES    4096
#define STORE_VFS_UNIX_EPOCH_DAYS 2440587.5 /* 1970-01-01 as SQLite counts days */
#define STORE_VFS_DAY_S           86400.0

struct store_file {
	sqlite3_file base;
	int fd;           /* owned */
	bool name_synced; /* the directory has been synced since it was opened */
};

static struct {
	int dir_fd; /* borrowed; -1: none */
	int last_errno;
} directory = {-1, 0};

static int
failed(int code)
{
	directory.last_errno = errno;
	return code;
}

static struct store_file *
file_of(sqlite3_file *file)
{
	return (struct store_file *)(void *)file;
}

static int
vfs_close(sqlite3_file *file)
{
	base_close(&file_of(file)->fd);
	return SQLITE_OK;
}

static int
vfs_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	size_t done = 0, wanted = (size_t)size;
	while (done < wanted) {
		ssize_t n = pread(file_of(file)->fd, (char *)bytes + done, wanted - done,
				  (off_t)offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(SQLITE_IOERR_READ);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	if (done == wanted)
		return SQLITE_OK;
	memset((char *)bytes + done, 0, wanted - done);
	return SQLITE_IOERR_SHORT_READ;
}

static int
vfs_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	size_t done = 0, wanted = (size_t)size;
	while (done < wanted) {
		ssize_t n = pwrite(file_of(file)->fd, (const char *)bytes + done, wanted - done,
				   (off_t)offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
			return failed(SQLITE_FULL);
		if (n <= 0)
			return failed(SQLITE_IOERR_WRITE);
		done += (size_t)n;
	}
	return SQLITE_OK;
}

static int
vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return ftruncate(file_of(file)->fd, (off_t)size) < 0 ? failed(SQLITE_IOERR_TRUNCATE)
							     : SQLITE_OK;
}

static int
vfs_sync(sqlite3_file *file, int flags)
{
	struct store_file *f = file_of(file);
	(void)flags;
	if (fdatasync(f->fd) < 0)
		return failed(errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL
								 : SQLITE_IOERR_FSYNC);
	if (!f->name_synced && fsync(directory.dir_fd) < 0)
		return failed(SQLITE_IOERR_DIR_FSYNC);
	f->name_synced = true;
	return SQLITE_OK;
}

static int
vfs_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	struct stat status;
	if (fstat(file_of(file)->fd, &status) < 0)
		return failed(SQLITE_IOERR_FSTAT);
	*ret_size = status.st_size;
	return SQLITE_OK;
}

static int
vfs_lock(sqlite3_file *file, int kind)
{
	(void)file;
	(void)kind;
	return SQLITE_OK;
}

static int
vfs_is_locked(sqlite3_file *file, int *ret_locked)
{
	(void)file;
	*ret_locked = 0;
	return SQLITE_OK;
}

static int
vfs_control(sqlite3_file *file, int what, void *argument)
{
	(void)file;
	(void)what;
	(void)argument;
	return SQLITE_NOTFOUND;
}

static int
vfs_sector(sqlite3_file *file)
{
	(void)file;
	return STORE_VFS_SECTOR_BYTES;
}

static int
vfs_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 1,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_lock,
    .xCheckReservedLock = vfs_is_locked,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_characteristics,
};

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct store_file *f = file_of(file);
	int how = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (flags & SQLITE_OPEN_CREATE ? O_CREAT : 0);
	(void)vfs;
	memset(f, 0, sizeof(*f));
	if (name == NULL || strchr(name, '/') != NULL)
		return SQLITE_CANTOPEN;
	f->fd = openat(directory.dir_fd, name, how, 0600);
	if (f->fd < 0)
		return failed(errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_CANTOPEN);
	f->base.pMethods = &METHODS;
	if (ret_flags != NULL)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	if (unlinkat(directory.dir_fd, name, 0) < 0)
		return errno == ENOENT ? SQLITE_IOERR_DELETE_NOENT : failed(SQLITE_IOERR_DELETE);
	if (sync && fsync(directory.dir_fd) < 0)
		return failed(SQLITE_IOERR_DIR_FSYNC);
	return SQLITE_OK;
}

/* An empty file counts as none, as with SQLite's own: it asks for left-over journals. */
static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_there)
{
	struct stat status;
	(void)vfs;
	(void)flags;
	*ret_there = fstatat(directory.dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		     status.st_size > 0;
	return SQLITE_OK;
}

static int
vfs_full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret_name)
{
	(void)vfs;
	return snprintf(ret_name, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int
vfs_random(sqlite3_vfs *vfs, int size, char *ret_bytes)
{
	ssize_t n = getrandom(ret_bytes, (size_t)size, 0);
	(void)vfs;
	return n > 0 ? (int)n : 0;
}

static int
vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
	(void)vfs;
	return microseconds; /* nobody else has the database: there is nothing to wait for */
}

static int
vfs_time(sqlite3_vfs *vfs, double *ret_days)
{
	struct timespec now;
	(void)vfs;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ret_days = STORE_VFS_UNIX_EPOCH_DAYS + (double)now.tv_sec / STORE_VFS_DAY_S;
	return SQLITE_OK;
}

static int
vfs_error(sqlite3_vfs *vfs, int size, char *ret_text)
{
	(void)vfs;
	(void)size;
	(void)ret_text;
	return directory.last_errno;
}

static sqlite3_vfs VFS = {
    .iVersion = 1,
    .szOsFile = (int)sizeof(struct store_file),
    .mxPathname = STORE_VFS_NAME_MAX,
    .zName = STORE_VFS_NAME,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_name,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_error,
};

int
store_vfs_register(int dir_fd, struct error *err)
{
	require(directory.dir_fd < 0);
	directory.dir_fd = dir_fd;
	directory.last_errno = 0;
	/* The default one, so that nothing of SQLite looks at another place. */
	if (sqlite3_vfs_register(&VFS, 1) == SQLITE_OK)
		return 0;
	directory.dir_fd = -1;
	return error_set(err, ERROR_SYSTEM, "SQLite takes no file system");
}

void
store_vfs_unregister(void)
{
	(void)sqlite3_vfs_unregister(&VFS);
	directory.dir_fd = -1;
}

int
store_vfs_errno(void)
{
	return directory.last_errno;
}

void
store_vfs_clear(void)
{
	directory.last_errno = 0;
}

int
store_vfs_set_aside(int dir_fd, const char *suffix, struct error *err)
{
	/* The database first: without its log it would be sound, and of an earlier time. A log
	 * without its database is deleted by SQLite when it begins a new one. */
	static const char *const PARTS[] = {"", "-wal", "-journal"};
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		char from[STORE_VFS_NAME_MAX], to[2 * STORE_VFS_NAME_MAX];
		(void)snprintf(from, sizeof(from), STORE_VFS_FILE "%s", PARTS[i]);
		/* SQLite finds the parts of a database by its name: they stay together. */
		(void)snprintf(to, sizeof(to), STORE_VFS_FILE ".%s%s", suffix, PARTS[i]);
		if (renameat(dir_fd, from, dir_fd, to) < 0 && errno != ENOENT)
			return error_errno(err, "cannot move %s aside", from);
	}
	return fsync(dir_fd) < 0 ? error_errno(err, "cannot sync the state directory") : 0;
}
