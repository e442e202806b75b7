/*
 * Binds, inherits and removes the listening socket. No byte of a client is read here: the spawner
 * never accepts.
 *
 * The path is followed once; afterwards the directory's descriptor and the inode number say what is
 * ours. The socket is made under another name with no permission for anyone, gets owner and mode by
 * a descriptor of its own, and then its name: a link or a file that waits there is never followed.
 * Called by spawner_main.c at start and end, and by the guardian. Fails with the path in the text.
 */
#define _GNU_SOURCE
#include "worker/spawner_socket.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SPAWNER_SOCKET_ACTIVATED_FD 3
#define SPAWNER_SOCKET_NAME_BYTES   24 /* of the name before the last */

static int
spawner_socket_inherit(const char *count, struct spawner_socket *ret_socket, struct error *err)
{
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(address), size_of_int = sizeof(int);
	int fd = SPAWNER_SOCKET_ACTIVATED_FD, type = 0, listens = 0;

	if (strcmp(count, "1") != 0)
		return error_set(err, ERROR_INVALID,
				 "LISTEN_FDS is \"%.20s\": one socket is expected", count);
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size_of_int) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size_of_int) < 0)
		return error_errno(err, "inherited descriptor 3 is no socket");
	if (address.sun_family != AF_UNIX || type != SOCK_STREAM || !listens)
		return error_set(err, ERROR_INVALID,
				 "inherited socket is not a listening Unix stream socket");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, "inherited socket");
	*ret_socket = (struct spawner_socket){.fd = fd, .dir_fd = -1};
	(void)snprintf(ret_socket->path, sizeof(ret_socket->path), "%.*s",
		       (int)sizeof(address.sun_path) - 1, address.sun_path);
	return 0;
}

/* Split config's path; make its directory when only that is missing, and open it. */
static int
spawner_socket_place(const char *path, struct spawner_socket *socket, struct error *err)
{
	char dir[SPAWNER_SOCKET_PATH_BYTES];
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (*path != '/' || strlen(path) >= sizeof(dir) || slash[1] == '\0')
		return error_set(err, ERROR_INVALID,
				 "socket: \"%s\" is not an absolute path of a file", path);
	(void)snprintf(socket->path, sizeof(socket->path), "%s", path);
	(void)snprintf(socket->name, sizeof(socket->name), "%s", slash + 1);
	(void)snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return error_errno(err, "cannot make the socket's directory %s", dir);
	socket->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (socket->dir_fd < 0)
		return error_errno(err, "cannot open the socket's directory %s", dir);
	if (fstat(socket->dir_fd, &st) < 0)
		return error_errno(err, "cannot look at the socket's directory %s", dir);
	/* Who may write there can put a socket of his own in the place of ours. */
	if ((st.st_mode & 022) != 0 && (st.st_uid != 0 || (st.st_mode & S_ISVTX) == 0))
		return error_set(err, ERROR_INVALID,
				 "socket: others may write in %s (remedy: chmod go-w, or another "
				 "directory)",
				 dir);
	return 0;
}

/* Address of a name in the directory that is open: the path itself is not followed again. */
static int
spawner_socket_address(const struct spawner_socket *socket, const char *name,
		       struct sockaddr_un *ret_address, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = sizeof(address.sun_path);

	if ((size_t)snprintf(address.sun_path, size, "/proc/self/fd/%d/%s", socket->dir_fd, name) >=
	    size)
		return error_set(err, ERROR_INVALID, "socket: the name \"%.80s\" is too long",
				 name);
	*ret_address = address;
	return 0;
}

/* Nothing is at the path, or a socket that nobody serves: then it is removed. */
static int
spawner_socket_clear(const struct spawner_socket *old, struct error *err)
{
	struct sockaddr_un address;
	autoclose int probe = -1;
	int rc = spawner_socket_address(old, old->name, &address, err);
	struct stat st;

	if (rc < 0)
		return rc;
	if (fstatat(old->dir_fd, old->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot look at %s", old->path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ERROR_INVALID,
				 "%s exists and is not a socket (remedy: remove it, or set socket)",
				 old->path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return error_errno(err, "cannot make a socket");
	if (connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	    errno != ECONNREFUSED)
		return error_set(err, ERROR_BUSY,
				 "another daemon serves on %s (remedy: stop it, or set socket)",
				 old->path);
	if (unlinkat(old->dir_fd, old->name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the stale socket %s", old->path);
	return 0;
}

static int
spawner_socket_group(const char *name, gid_t fallback, gid_t *ret_group, struct error *err)
{
	unsigned long number;
	struct group *group;
	char *end;

	if (*name == '\0') {
		*ret_group = fallback;
		return 0;
	}
	errno = 0;
	number = strtoul(name, &end, 10);
	if (*end == '\0' && errno == 0 && *name != '-' && number < UINT32_MAX) {
		*ret_group = (gid_t)number;
		return 0;
	}
	group = getgrnam(name);
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "socket_group: no group is named \"%s\"",
				 name);
	*ret_group = group->gr_gid;
	return 0;
}

/* Owner and mode of the very file that was bound, which nobody else can have put there. */
static int
spawner_socket_own(struct spawner_socket *made, const char *name, gid_t group, mode_t mode,
		   struct error *err)
{
	autoclose int file = openat(made->dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[32];
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return error_errno(err, "cannot look at the new socket for %s", made->path);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1 ||
	    (st.st_mode & 0777) != 0)
		return error_set(err, ERROR_INVALID, "%s was replaced while it was made",
				 made->path);
	made->device = st.st_dev;
	made->inode = st.st_ino;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (fchownat(file, "", geteuid(), group, AT_EMPTY_PATH) < 0 || chmod(path, mode) < 0)
		return error_errno(err, "cannot give %s its owner and mode", made->path);
	return 0;
}

/* Under a name of its own until all is right; then it appears, and replaces nothing. */
static int
spawner_socket_bind(struct spawner_socket *made, gid_t group, mode_t mode, struct error *err)
{
	char name[SPAWNER_SOCKET_NAME_BYTES];
	struct sockaddr_un address;
	mode_t umask_before;
	int rc;

	(void)snprintf(name, sizeof(name), ".stint-%d", (int)getpid());
	rc = spawner_socket_address(made, name, &address, err);
	if (rc < 0)
		return rc;
	(void)unlinkat(made->dir_fd, name, 0);
	umask_before = umask(0777);
	rc = bind(made->fd, (const struct sockaddr *)&address, sizeof(address));
	(void)umask(umask_before);
	if (rc < 0)
		return error_errno(err, "cannot bind a socket for %s", made->path);
	rc = spawner_socket_own(made, name, group, mode, err);
	if (rc == 0 && listen(made->fd, SPAWNER_SOCKET_BACKLOG) < 0)
		rc = error_errno(err, "cannot listen on %s", made->path);
	if (rc == 0 &&
	    renameat2(made->dir_fd, name, made->dir_fd, made->name, RENAME_NOREPLACE) < 0)
		rc = error_errno(err, "cannot put the socket to %s", made->path);
	if (rc < 0)
		(void)unlinkat(made->dir_fd, name, 0);
	return rc;
}

int
spawner_socket_open(const struct config *config, gid_t group, struct spawner_socket *ret_socket,
		    struct error *err)
{
	const char *activated = getenv("LISTEN_FDS"), *for_pid = getenv("LISTEN_PID");
	struct spawner_socket made = {.fd = -1, .dir_fd = -1};
	int rc;

	if (activated && for_pid && strtol(for_pid, NULL, 10) == (long)getpid())
		return spawner_socket_inherit(activated, ret_socket, err);
	rc = spawner_socket_place(config_text(config, socket), &made, err);
	if (rc == 0)
		rc = spawner_socket_group(config_text(config, socket_group), group, &group, err);
	if (rc == 0)
		rc = spawner_socket_clear(&made, err);
	if (rc == 0) {
		made.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		rc = made.fd < 0
			 ? error_errno(err, "cannot make a socket")
			 : spawner_socket_bind(&made, group,
					       (mode_t)config_number(config, socket_mode), err);
	}
	if (rc < 0) {
		base_close(&made.fd);
		base_close(&made.dir_fd);
		return rc;
	}
	*ret_socket = made;
	return 0;
}

void
spawner_socket_unlink(const struct spawner_socket *socket)
{
	struct stat st;

	if (socket->dir_fd >= 0 &&
	    fstatat(socket->dir_fd, socket->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == socket->device && st.st_ino == socket->inode)
		(void)unlinkat(socket->dir_fd, socket->name, 0);
}

void
spawner_socket_notify(const char *line)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	autoclose int fd = -1;
	size_t length;

	if (!path || (*path != '/' && *path != '@'))
		return;
	length = strlen(path);
	if (length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, line, strlen(line), MSG_NOSIGNAL, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}
