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

DIR *
cgroup_file_list(int dir_fd)
{
	int copy = dir_fd < 0 ? -1 : cgroup_file_open_dir(dir_fd, ".");
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list)
		base_close(&copy);
	return list;
}

const char *
cgroup_file_next(DIR *list)
{
	struct dirent *entry;

	while (list && (entry = readdir(list)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			return entry->d_name;
	return NULL;
}

void
cgroup_file_list_close(DIR **list)
{
	if (*list)
		(void)closedir(*list);
	*list = NULL;
}
