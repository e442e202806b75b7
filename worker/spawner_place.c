/*
 * Where a socket or a file of the service may be. The path is followed once, here. Called by
 * spawner_socket.c and spawner_usage.c at the start. Fails with the setting and the path in the
 * text.
 */
#define _GNU_SOURCE
#include "worker/spawner_place.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
spawner_place_open(const char *setting, const char *thing, const char *path,
		   struct spawner_place *ret_place, struct error *err)
{
	struct spawner_place place = {.dir_fd = -1};
	char dir[SPAWNER_PLACE_PATH_BYTES];
	const char *slash = strrchr(path, '/');
	autoclose int fd = -1;
	struct stat st;

	if (*path != '/' || strlen(path) >= sizeof(dir) || slash[1] == '\0' ||
	    strlen(slash + 1) >= sizeof(place.name))
		return error_set(err, ERROR_INVALID, "%s: \"%s\" is not an absolute path of a file",
				 setting, path);
	(void)snprintf(place.name, sizeof(place.name), "%s", slash + 1);
	(void)snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return error_errno(err, "cannot make the directory %s of %s", dir, thing);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "cannot open the directory %s of %s", dir, thing);
	if (fstat(fd, &st) < 0)
		return error_errno(err, "cannot look at the directory %s of %s", dir, thing);
	/* Who may write there can put another in the place of ours; so can its owner. */
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(err, ERROR_INVALID,
				 "%s: %s belongs to uid %u, who could exchange %s (remedy: chown "
				 "root, or another directory)",
				 setting, dir, (unsigned)st.st_uid, thing);
	if ((st.st_mode & 022) != 0 && (st.st_uid != 0 || (st.st_mode & S_ISVTX) == 0))
		return error_set(err, ERROR_INVALID,
				 "%s: others may write in %s (remedy: chmod go-w, or another "
				 "directory)",
				 setting, dir);
	place.dir_fd = fd;
	fd = -1;
	*ret_place = place;
	return 0;
}
