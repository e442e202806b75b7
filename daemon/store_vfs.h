/*
 * What SQLite sees of the file system: one directory, by a descriptor that was opened by who had
 * the right to, and in it three names. So the process needs no path, and the system calls are few
 * and known (confine_rules.def).
 */
#ifndef STINT_DAEMON_STORE_VFS_H
#define STINT_DAEMON_STORE_VFS_H

#include "protocol/error.h"

#define STORE_VFS_NAME	    "stint"
#define STORE_VFS_FILE	    "store.db"
#define STORE_VFS_NAME_MAX  64

/*
 * Make it SQLite's file system from here on; one directory at a time, for the whole process.
 * dir_fd is borrowed until store_vfs_unregister.
 */
int store_vfs_register(int dir_fd, struct error *err);
void store_vfs_unregister(void);
/* errno of the last call that failed since the last store_vfs_clear, or 0. */
int store_vfs_errno(void);
void store_vfs_clear(void);

/* Move the database and what belongs to it aside: "store.db" becomes "store.db.<suffix>". Files
 * that are not there are passed by. */
int store_vfs_set_aside(int dir_fd, const char *suffix, struct error *err);

#endif
