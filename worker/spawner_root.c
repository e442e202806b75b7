/*
 * Builds the tree: a small tmpfs with the standard library and the time zones bound into it,
 * without proc, sysfs or any device, then read-only as a whole.
 *
 * It has to exist before the zygote's user namespace: mounts made inside of one cannot be given
 * noatime, and what is mounted from outside is locked together, so that nobody in there can look
 * below what is hidden here. Extension modules are hidden since the zygote has loaded all that
 * workers may use. Nothing but absolute paths of ours is followed, once, at start.
 *
 * Called by spawner_main.c. Fails with the step's name; the caller then ends.
 */
#define _GNU_SOURCE
#include "worker/spawner_root.h"

#include "worker/zygote_args.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SPAWNER_ROOT_PATH_BYTES 512
#define SPAWNER_ROOT_FLAGS      (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Where the tree can be put: directories that every Debian has. The first that covers nothing of
 * use. */
static const char *const SPAWNER_ROOT_PLACES[] = {"/mnt", "/media", "/srv", "/opt"};

/* Entries of the standard library that no worker needs on disk; by the start of their names. */
static const char *const SPAWNER_ROOT_HIDDEN[] = {"lib-dynload", "config-", "dist-packages",
						  "site-packages"};

static const char *
spawner_root_place(const char *const *keep, size_t keep_count)
{
	for (size_t i = 0; i < sizeof(SPAWNER_ROOT_PLACES) / sizeof(SPAWNER_ROOT_PLACES[0]); i++) {
		const char *place = SPAWNER_ROOT_PLACES[i];
		size_t length = strlen(place);
		struct stat st;
		bool covers = lstat(place, &st) < 0 || !S_ISDIR(st.st_mode);

		for (size_t j = 0; j < keep_count && !covers; j++)
			covers = keep[j] && strncmp(keep[j], place, length) == 0 &&
				 (keep[j][length] == '/' || keep[j][length] == '\0');
		if (!covers)
			return place;
	}
	return NULL;
}

/* Make root+path with all directories on its way. */
static int
spawner_root_mkdir(const char *root, const char *path, struct error *err)
{
	char full[SPAWNER_ROOT_PATH_BYTES];
	size_t root_length = strlen(root);

	if ((size_t)snprintf(full, sizeof(full), "%s%s", root, path) >= sizeof(full))
		return error_set(err, ERROR_LIMIT, "path %s is too long", path);
	for (char *slash = full + root_length + 1; slash; *slash++ = '/') {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			return error_errno(err, "cannot make %s", full);
		if (!slash)
			break;
	}
	return 0;
}

static int
spawner_root_bind(const char *root, const char *from, const char *to, struct error *err)
{
	char full[SPAWNER_ROOT_PATH_BYTES];

	if ((size_t)snprintf(full, sizeof(full), "%s%s", root, to) >= sizeof(full))
		return error_set(err, ERROR_LIMIT, "path %s is too long", to);
	if (mount(from, full, NULL, MS_BIND, NULL) < 0)
		return error_errno(err, "cannot bind %s to %s", from, full);
	return 0;
}

/* Not every file system says so in its directory. When it cannot be found out: then binding fails.
 */
static bool
spawner_root_is_directory(const struct dirent *entry, const char *path)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return lstat(path, &st) < 0 || S_ISDIR(st.st_mode);
}

/* Cover what is not for workers with the tree's own empty directory. */
static int
spawner_root_hide(const char *root, struct error *err)
{
	char empty[SPAWNER_ROOT_PATH_BYTES], path[SPAWNER_ROOT_PATH_BYTES];
	struct dirent *entry;
	int rc = 0;
	DIR *dir;

	(void)snprintf(empty, sizeof(empty), "%s/dev", root);
	dir = opendir(SPAWNER_ROOT_STDLIB);
	if (!dir)
		return error_errno(err, "cannot list %s", SPAWNER_ROOT_STDLIB);
	while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
		bool hidden = false;

		for (size_t i = 0; i < sizeof(SPAWNER_ROOT_HIDDEN) / sizeof(SPAWNER_ROOT_HIDDEN[0]);
		     i++)
			hidden = hidden || strncmp(entry->d_name, SPAWNER_ROOT_HIDDEN[i],
						   strlen(SPAWNER_ROOT_HIDDEN[i])) == 0;
		(void)snprintf(path, sizeof(path), "%s/%s", SPAWNER_ROOT_STDLIB, entry->d_name);
		if (hidden && spawner_root_is_directory(entry, path))
			rc = spawner_root_bind(root, empty, path, err);
	}
	if (rc == 0 && errno != 0)
		rc = error_errno(err, "cannot list %s", SPAWNER_ROOT_STDLIB);
	(void)closedir(dir);
	return rc;
}

static int
spawner_root_seal(const char *root, bool rootless, struct error *err)
{
	struct mount_attr all = {
	    .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME,
	    .attr_clr = MOUNT_ATTR__ATIME,
	};
	struct mount_attr own = {.attr_set = MOUNT_ATTR_NOSYMFOLLOW};

	if (rootless) {
		all.attr_set &= ~(uint64_t)MOUNT_ATTR_NOATIME;
		all.attr_clr = 0;
	}
	if (mount_setattr(AT_FDCWD, root, AT_RECURSIVE, &all, sizeof(all)) < 0)
		return error_errno(err, "cannot make %s read-only (Linux 5.12 or newer is needed)",
				   root);
	/* Not on what is bound: both hold relative links that programs follow (Pacific/Yap). A
	 * kernel without the flag (before 5.14) loses nothing: the tmpfs has no links. */
	if (mount_setattr(AT_FDCWD, root, 0, &own, sizeof(own)) < 0 && errno != EINVAL)
		return error_errno(err, "cannot set nosymfollow on %s", root);
	return 0;
}

int
spawner_root_make(const char *const *keep, size_t keep_count, bool rootless, const char **ret_path,
		  struct error *err)
{
	const char *root = spawner_root_place(keep, keep_count);
	struct stat st;
	int rc;

	if (!root)
		return error_set(
		    err, ERROR_UNSUPPORTED,
		    "none of /mnt, /media, /srv, /opt is a directory that can be covered");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, "cannot make a mount namespace");
	if (mount("stint", root, "tmpfs", SPAWNER_ROOT_FLAGS, "size=64k,nr_inodes=64,mode=0755") <
	    0)
		return error_errno(err, "cannot mount a tmpfs on %s", root);
	rc = spawner_root_mkdir(root, "/tmp", err);
	if (rc == 0)
		rc = spawner_root_mkdir(root, "/dev", err);
	if (rc == 0) /* where a worker mounts its own tmpfs; empty for all others */
		rc = spawner_root_mkdir(root, ZYGOTE_ARGS_SCRATCH, err);
	if (rc == 0)
		rc = spawner_root_mkdir(root, SPAWNER_ROOT_STDLIB, err);
	if (rc == 0)
		rc = spawner_root_bind(root, SPAWNER_ROOT_STDLIB, SPAWNER_ROOT_STDLIB, err);
	if (rc == 0)
		rc = spawner_root_hide(root, err);
	if (rc == 0 && stat(SPAWNER_ROOT_ZONEINFO, &st) == 0) {
		rc = spawner_root_mkdir(root, SPAWNER_ROOT_ZONEINFO, err);
		if (rc == 0)
			rc = spawner_root_bind(root, SPAWNER_ROOT_ZONEINFO, SPAWNER_ROOT_ZONEINFO,
					       err);
	}
	if (rc == 0)
		rc = spawner_root_seal(root, rootless, err);
	if (rc == 0)
		*ret_path = root;
	return rc;
}
