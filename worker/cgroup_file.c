/*
 * System calls on control group files, with their traps handled once: close-on-exec, no links, one
 * write per value, since the kernel takes each write as a whole command.
 *
 * Never allocates but for the listing of a directory, never logs. Called by cgroup_tree.c and
 * cgroup_remove.c. Fails with -1 and errno; the caller knows what it was for.
 */
#define _GNU_SOURCE
#include "worker/cgroup_file.h"

#include "protocol/base_sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
cgroup_file_open_dir(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
cgroup_file_write(int dir_fd, const char *name, const char *text)
{
	autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	return n == (ssize_t)strlen(text) ? 0 : -1;
}

void
cgroup_file_read(int dir_fd, const char *name, char *ret, size_t size)
{
	autoclose int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[n > 0 ? n : 0] = '\0';
}

void
cgroup_file_list(int dir_fd, struct cgroup_list *ret_list)
{
	ret_list->fd = dir_fd < 0 ? -1 : cgroup_file_open_dir(dir_fd, ".");
	ret_list->used = ret_list->at = 0;
}

const char *
cgroup_file_next(struct cgroup_list *list)
{
	for (;;) {
		const struct dirent64 *entry;

		if (list->at >= list->used) {
			ssize_t n = list->fd < 0 ? -1
						 : getdents64(list->fd, list->entries,
							      sizeof(list->entries));

			if (n <= 0)
				return NULL;
			list->used = (size_t)n;
			list->at = 0;
		}
		entry = (const struct dirent64 *)(const void *)(list->entries + list->at);
		list->at += entry->d_reclen;
		/* Any other name may be a group's, also one that begins with a dot. */
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
}

void
cgroup_file_list_close(struct cgroup_list *list)
{
	base_close(&list->fd);
}
