/*
 * Changes the root of the zygote, once, before its first fork.
 *
 * The tree was prepared by the spawner in the parent namespace and is a locked mount here, which
 * pivot_root refuses: so it is bound onto itself first, with all below it. The old root is stacked
 * on the new one and detached from there, so no place for it is needed. What is left is read back
 * from mountinfo, through a descriptor on the host's /proc that was opened before and closes after.
 * Never follows a path that a tenant could shape; there is no tenant yet. Fails by an error that
 * names the step; the zygote then ends.
 */
#define _GNU_SOURCE
#include "worker/sandbox_fs.h"

#include "protocol/base_sys.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOUNTINFO_BYTES_MAX 65536

static bool
has_option(const char *options, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/* "id parent major:minor root mount_point options ..." */
int
sandbox_fs_check_mount(char *line, struct error *err)
{
	static const char *const NEEDED[] = {"ro", "nosuid", "nodev", "noexec"};
	char *save = NULL, *point = NULL, *options = NULL;
	unsigned field = 0;

	for (char *word = strtok_r(line, " ", &save); word && field < 6;
	     word = strtok_r(NULL, " ", &save), field++) {
		if (field == 4)
			point = word;
		else if (field == 5)
			options = word;
	}
	if (!options)
		return error_set(err, ERROR_INVALID, "root: a line of mountinfo has no options");
	for (size_t i = 0; i < sizeof(NEEDED) / sizeof(NEEDED[0]); i++)
		if (!has_option(options, NEEDED[i]))
			return error_set(err, ERROR_PERMISSION,
					 "root: the mount at %.64s is not %s", point, NEEDED[i]);
	return 0;
}

static int
check_mounts(int proc_fd, struct error *err)
{
	static char text[MOUNTINFO_BYTES_MAX]; /* static: too large for the stack, once only */
	autoclose int fd = openat(proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	char *save = NULL;
	ssize_t got;

	if (fd < 0)
		return error_errno(err, "root: /proc/self/mountinfo");
	while ((got = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	if (got < 0)
		return error_errno(err, "root: read of mountinfo");
	if (size == sizeof(text) - 1 || size == 0)
		return error_set(err, ERROR_LIMIT, "root: %zu bytes of mountinfo", size);
	text[size] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int result = sandbox_fs_check_mount(line, err);

		if (result < 0)
			return result;
	}
	return 0;
}

int
sandbox_fs_enter(const char *root, int proc_fd, struct error *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, "root: make the mounts private");
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_errno(err, "root: bind %.128s onto itself", root);
	if (chdir(root) < 0)
		return error_errno(err, "root: chdir to %.128s", root);
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(err, "root: pivot_root to %.128s", root);
	if (umount2(".", MNT_DETACH) < 0)
		return error_errno(err, "root: detach the old root");
	if (chdir("/") < 0)
		return error_errno(err, "root: chdir to /");
	return check_mounts(proc_fd, err);
}
