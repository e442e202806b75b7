/*
 * The files and directories of a control group, below an open descriptor; used by cgroup_tree and
 * cgroup_remove. No link is followed at the end of a name.
 */
#ifndef STINT_WORKER_CGROUP_FILE_H
#define STINT_WORKER_CGROUP_FILE_H

#include <stddef.h>

#define CGROUP_FILE_LIST_BYTES 4096

/* A walk over the groups in a directory; on the stack, since the guardian must not allocate. */
struct cgroup_list {
	int fd; /* owned, or -1 */
	size_t used, at;
	_Alignas(8) char entries[CGROUP_FILE_LIST_BYTES];
};

/* A directory's descriptor, or -1 with errno. */
int cgroup_file_open_dir(int dir_fd, const char *name);
/* Write `text` to dir/name in one call: 0, or -1 with errno. */
int cgroup_file_write(int dir_fd, const char *name, const char *text);
/* Read dir/name, NUL terminated, as far as it fits; "" on failure. */
void cgroup_file_read(int dir_fd, const char *name, char *ret, size_t size);
/* List the groups below dir_fd, which stays the caller's. Empty when it cannot be read. */
void cgroup_file_list(int dir_fd, struct cgroup_list *ret_list);
/* The next group's name, valid until the next call, or NULL. */
const char *cgroup_file_next(struct cgroup_list *list);
void cgroup_file_list_close(struct cgroup_list *list);

#endif
