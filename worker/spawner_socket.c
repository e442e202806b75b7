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
#include "worker/spawner_place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SPAWNER_SOCKET_ACTIVATED_FD  3
#define SPAWNER_SOCKET_INHERITED_MAX 8
#define SPAWNER_SOCKET_NAME_BYTES   24 /* of the name before the last */

/* Which of the inherited descriptors is the one of that name; any == true: the one of no name of
 * ours. -1: none, or more than one. */
static int
spawner_socket_inherited(const char *wanted, bool any)
{
	const char *activated = getenv("LISTEN_FDS"), *for_pid = getenv("LISTEN_PID");
	const char *names = getenv("LISTEN_FDNAMES");
	long count = activated ? strtol(activated, NULL, 10) : 0;
	int found = -1;

	if (!for_pid || strtol(for_pid, NULL, 10) != (long)getpid())
		return -1;
	for (long i = 0; i < count && i < SPAWNER_SOCKET_INHERITED_MAX; i++) {
		size_t length = names ? strcspn(names, ":") : 0;
		bool same = names && length == strlen(wanted) && memcmp(names, wanted, length) == 0;

		if (same != any) {
			if (found >= 0)
				return -1;
			found = SPAWNER_SOCKET_ACTIVATED_FD + (int)i;
		}
		names = names && names[length] == ':' ? names + length + 1 : NULL;
	}
	return found;
}

/* Reachable from this host alone. */
static bool
spawner_socket_is_local(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	return address->ss_family == AF_UNIX;
}

static int
spawner_socket_inherit(int fd, bool of_clients, struct spawner_socket *ret_socket,
		       struct error *err)
{
	struct sockaddr_storage address = {0};
	const struct sockaddr_un *as_unix = (const void *)&address;
	socklen_t size = sizeof(address), size_of_int = sizeof(int);
	int type = 0, listens = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size_of_int) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size_of_int) < 0)
		return error_errno(err, "inherited descriptor %d is no socket", fd);
	if ((of_clients && address.ss_family != AF_UNIX) || type != SOCK_STREAM || !listens)
		return error_set(err, ERROR_INVALID,
				 "inherited socket is not a listening %sstream socket",
				 of_clients ? "Unix " : "");
	if (!spawner_socket_is_local(&address))
		return error_set(err, ERROR_INVALID,
				 "inherited socket for metrics is not for this host alone (want "
				 "127.0.0.1, ::1 or a Unix socket)");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, "inherited socket");
	*ret_socket = (struct spawner_socket){.fd = fd, .dir_fd = -1};
	if (address.ss_family == AF_UNIX)
		(void)snprintf(ret_socket->path, sizeof(ret_socket->path), "%.*s",
			       (int)sizeof(as_unix->sun_path) - 1, as_unix->sun_path);
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
		return error_set(err, ERROR_INVALID, "%s: the name \"%.80s\" is too long",
				 socket->setting, name);
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
				 "%s exists and is not a socket (remedy: remove it, or set %s)",
				 old->path, old->setting);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return error_errno(err, "cannot make a socket");
	if (connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	    errno != ECONNREFUSED)
		return error_set(err, ERROR_BUSY,
				 "another daemon serves on %s (remedy: stop it, or set %s)",
				 old->path, old->setting);
	if (unlinkat(old->dir_fd, old->name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the stale socket %s", old->path);
	return 0;
}

int
spawner_socket_group(const char *setting, const char *name, gid_t fallback, gid_t *ret_group,
		     struct error *err)
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
		return error_set(err, ERROR_NOT_FOUND, "%s: no group is named \"%s\"", setting,
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
spawner_socket_make(const char *setting, const char *path, gid_t group, mode_t mode,
		    struct spawner_socket *ret_socket, struct error *err)
{
	struct spawner_socket made = {.fd = -1, .dir_fd = -1, .setting = setting};
	struct spawner_place place;
	int rc;

	if (strlen(path) >= sizeof(made.path))
		return error_set(err, ERROR_INVALID, "%s: \"%s\" is too long", setting, path);
	rc = spawner_place_open(setting, "the socket", path, &place, err);
	if (rc < 0)
		return rc;
	made.dir_fd = place.dir_fd;
	memcpy(made.name, place.name, sizeof(made.name));
	(void)snprintf(made.path, sizeof(made.path), "%s", path);
	rc = spawner_socket_clear(&made, err);
	if (rc == 0) {
		made.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		rc = made.fd < 0 ? error_errno(err, "cannot make a socket")
				 : spawner_socket_bind(&made, group, mode, err);
	}
	if (rc < 0) {
		base_close(&made.fd);
		base_close(&made.dir_fd);
		return rc;
	}
	*ret_socket = made;
	return 0;
}

int
spawner_socket_take(const char *name, struct spawner_socket *ret_socket, struct error *err)
{
	int fd = spawner_socket_inherited(name, false);

	*ret_socket = (struct spawner_socket){.fd = -1, .dir_fd = -1};
	return fd < 0 ? 0 : spawner_socket_inherit(fd, false, ret_socket, err);
}

int
spawner_socket_open(const struct config *config, gid_t group, struct spawner_socket *ret_socket,
		    struct error *err)
{
	const char *activated = getenv("LISTEN_FDS"), *for_pid = getenv("LISTEN_PID");
	int rc, fd;

	if (activated && for_pid && strtol(for_pid, NULL, 10) == (long)getpid()) {
		fd = spawner_socket_inherited(SPAWNER_SOCKET_METRICS_NAME, true);
		if (fd < 0)
			return error_set(err, ERROR_INVALID,
					 "LISTEN_FDS is \"%.20s\": one socket for clients is "
					 "expected, and at most one more, named %s",
					 activated, SPAWNER_SOCKET_METRICS_NAME);
		return spawner_socket_inherit(fd, true, ret_socket, err);
	}
	rc = spawner_socket_group("socket_group", config_text(config, socket_group), group, &group,
				  err);
	return rc < 0 ? rc
		      : spawner_socket_make("socket", config_text(config, socket), group,
					    (mode_t)config_number(config, socket_mode), ret_socket,
					    err);
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
