/*
 * Makes, checks and locks the state directory.
 *
 * Its last component is never followed when it is a link. It must be stintd's and closed to others;
 * one that is ours and empty (just made, or by a service manager) is given to stintd. The lock says
 * that one service uses it; it is held by the open descriptor, which stintd and the guardian share,
 * so that it ends with the last of them. Nothing in the directory is ever looked at here.
 *
 * Called by spawner_main.c at start. Fails with the path and the remedy.
 */
#define _GNU_SOURCE
#include "worker/spawner_state.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SPAWNER_STATE_MODE    0700
#define SPAWNER_STATE_LOOK_MS 50

/* 1: nothing is in it. */
static int
spawner_state_is_empty(int fd, const char *path, struct error *err)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;
	bool empty = true;

	if (!dir) {
		int rc = error_errno(err, "state_dir: cannot list %s", path);

		base_close(&again);
		return rc;
	}
	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	(void)closedir(dir);
	return empty;
}

static int
spawner_state_look(int fd, const char *path, uid_t uid, gid_t gid, struct error *err)
{
	int rc = spawner_state_is_empty(fd, path, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return error_set(
		    err, ERROR_INVALID,
		    "state_dir: %s is not stintd's and not empty (remedy: chown -R %u:%u "
		    "it, or another directory)",
		    path, (unsigned)uid, (unsigned)gid);
	return 0;
}

/*
 * Ours and empty: it becomes stintd's. The mode first: afterwards we may have no right to. Who
 * could write into it until then may have done so: what is found with the mode set counts. The look
 * before is for a directory that was named by mistake: one with something in it is not touched.
 */
static int
spawner_state_give(int fd, const char *path, uid_t uid, gid_t gid, struct error *err)
{
	struct stat st;
	int rc = spawner_state_look(fd, path, uid, gid, err);

	if (rc < 0)
		return rc;
	if (fchmod(fd, SPAWNER_STATE_MODE) < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "state_dir: cannot close %s to others", path);
	if (st.st_uid != geteuid() || (st.st_mode & 07777) != SPAWNER_STATE_MODE)
		return error_set(err, ERROR_INVALID,
				 "state_dir: the file system of %s keeps neither owners nor modes "
				 "(remedy: another directory)",
				 path);
	rc = spawner_state_look(fd, path, uid, gid, err);
	if (rc < 0)
		return rc;
	if (fchown(fd, uid, gid) < 0)
		return error_errno(err, "state_dir: cannot give %s to uid %u", path, (unsigned)uid);
	return 0;
}

static int
spawner_state_check(int fd, const char *path, uid_t uid, gid_t gid, struct error *err)
{
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "state_dir: cannot look at %s", path);
	if (st.st_uid != uid && st.st_uid == geteuid())
		rc = spawner_state_give(fd, path, uid, gid, err);
	else if (st.st_uid != uid)
		rc = error_set(err, ERROR_INVALID,
			       "state_dir: %s belongs to uid %u, and stintd runs as %u (remedy: "
			       "chown it, or another directory)",
			       path, (unsigned)st.st_uid, (unsigned)uid);
	else if ((st.st_mode & 077) != 0)
		rc = error_set(err, ERROR_INVALID,
			       "state_dir: others may look into %s (remedy: chmod 0700)", path);
	return rc;
}

/* An earlier service that is about to end has some time for it. */
static int
spawner_state_lock(int fd, const char *path, struct error *err)
{
	const struct timespec pause = {.tv_nsec = SPAWNER_STATE_LOOK_MS * 1000000L};

	for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0;
	     waited_ms += SPAWNER_STATE_LOOK_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, "state_dir: cannot lock %s", path);
		if (waited_ms >= SPAWNER_STATE_LOCK_MS)
			return error_set(err, ERROR_BUSY,
					 "state_dir: another daemon uses %s (remedy: stop it, or "
					 "set state_dir)",
					 path);
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int
spawner_state_try(const char *path, uid_t uid, gid_t gid, int *ret_fd, struct error *err)
{
	int fd, rc;

	if (*path != '/')
		return error_set(err, ERROR_INVALID,
				 "state_dir: \"%s\" is not an absolute path (remedy: give one, or "
				 "leave it empty for a service without durable jobs)",
				 path);
	if (mkdir(path, SPAWNER_STATE_MODE) < 0 && errno != EEXIST)
		return error_errno(err, "state_dir: cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return error_set(err, ERROR_INVALID,
				 "state_dir: %s is a link, or not a directory (remedy: name the "
				 "directory itself)",
				 path);
	if (fd < 0)
		return error_errno(err, "state_dir: cannot open %s", path);
	rc = spawner_state_check(fd, path, uid, gid, err);
	if (rc == 0)
		rc = spawner_state_lock(fd, path, err);
	if (rc < 0)
		base_close(&fd);
	else
		*ret_fd = fd;
	return rc;
}

int
spawner_state_open(const struct config *config, uid_t uid, gid_t gid, int *ret_fd,
		   struct error *err)
{
	const char *path = config_text(config, state_dir);
	struct error why = ERROR_INIT;

	*ret_fd = -1;
	if (*path == '\0')
		return 0;
	if (strcmp(path, "auto") != 0)
		return spawner_state_try(path, uid, gid, ret_fd, err);
	if (spawner_state_try(SPAWNER_STATE_AUTO, uid, gid, ret_fd, &why) < 0)
		log_warning("spawner", "no durable jobs: %s", why.text);
	return 0;
}
