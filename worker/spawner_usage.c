/*
 * stintd may not open a file, so the two that it writes usage records to are opened here and handed
 * over: for appending, in a directory that only root writes, never through a link. They stay open
 * over restarts of stintd, and nothing has to be renamed for their size to be bounded
 * (usage_log.c). Called by spawner_main.c at the start. Fails with the setting and the path in the
 * text.
 */
#define _GNU_SOURCE
#include "worker/spawner_usage.h"

#include "protocol/base_sys.h"
#include "worker/spawner_place.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPAWNER_USAGE_MODE 0640

static int
spawner_usage_file(int dir_fd, const char *name, const char *path, gid_t group, int *ret_fd,
		   struct error *err)
{
	/* Non-blocking, so that a FIFO in its place does not hold us up. */
	autoclose int fd =
	    openat(dir_fd, name,
		   O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		   SPAWNER_USAGE_MODE);
	struct stat st;

	if (fd < 0)
		return error_errno(err, "usage_log: cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, "usage_log: cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return error_set(err, ERROR_INVALID,
				 "usage_log: %s is not a file of our own with one name (remedy: "
				 "remove it, or set usage_log)",
				 path);
	if (st.st_gid != group && fchown(fd, (uid_t)-1, group) < 0)
		return error_errno(err, "usage_log: cannot give %s its group", path);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int
spawner_usage_open(const struct config *config, gid_t group, struct spawner_usage *ret_usage,
		   struct error *err)
{
	const char *path = config_text(config, usage_log);
	char old_name[SPAWNER_PLACE_NAME_BYTES + 2], old_path[SPAWNER_PLACE_PATH_BYTES + 2];
	struct spawner_usage usage = {-1, -1};
	struct spawner_place place;
	int rc;

	*ret_usage = usage;
	if (*path == '\0')
		return 0;
	rc = spawner_place_open("usage_log", "the usage records", path, &place, err);
	if (rc < 0)
		return rc;
	(void)snprintf(old_name, sizeof(old_name), "%s.1", place.name);
	(void)snprintf(old_path, sizeof(old_path), "%s.1", path);
	rc = spawner_usage_file(place.dir_fd, place.name, path, group, &usage.fd, err);
	if (rc == 0)
		rc =
		    spawner_usage_file(place.dir_fd, old_name, old_path, group, &usage.old_fd, err);
	base_close(&place.dir_fd);
	if (rc < 0)
		spawner_usage_close(&usage);
	else
		*ret_usage = usage;
	return rc;
}

void
spawner_usage_close(struct spawner_usage *usage)
{
	base_close(&usage->fd);
	base_close(&usage->old_fd);
}
