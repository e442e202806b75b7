/*
 * See store_disk.h.
 */
#include "tests/unit/store_disk.h"

#include "daemon/store_vfs.h"
#include "protocol/base_assert.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

static struct shared {
	struct store_disk disk;
	sem_t entered, go;
	_Atomic bool held;
} * shared;

void
store_disk_go(void)
{
	require(sem_post(&shared->go) == 0);
}

struct store_disk *
store_disk_reset(void)
{
	if (shared == NULL) {
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		require(shared != MAP_FAILED);
		require(sem_init(&shared->entered, 1, 0) == 0 && sem_init(&shared->go, 1, 0) == 0);
	}
	if (shared->held)
		store_disk_go();
	shared->disk.write_errno = shared->disk.sync_errno = shared->disk.rename_errno = 0;
	shared->disk.write_waits = shared->disk.sync_waits = false;
	return &shared->disk;
}

static void
down(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0)
		require(errno == EINTR);
}

void
store_disk_entered(void)
{
	down(&shared->entered);
}

static void
wait_here(_Atomic bool *waits)
{
	if (!*waits)
		return;
	*waits = false;
	shared->held = true;
	require(sem_post(&shared->entered) == 0);
	down(&shared->go);
	shared->held = false;
}

ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	if (shared == NULL)
		return __real_pwrite(fd, bytes, size, offset);
	wait_here(&shared->disk.write_waits);
	if (shared->disk.write_errno != 0) {
		errno = shared->disk.write_errno;
		return -1;
	}
	return __real_pwrite(fd, bytes, size, offset);
}

int
__wrap_fdatasync(int fd)
{
	if (shared == NULL)
		return __real_fdatasync(fd);
	wait_here(&shared->disk.sync_waits);
	if (shared->disk.sync_errno != 0) {
		errno = shared->disk.sync_errno;
		return -1;
	}
	return __real_fdatasync(fd);
}

int
__wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	if (shared != NULL && shared->disk.rename_errno != 0 && strcmp(from, STORE_VFS_FILE) == 0) {
		errno = shared->disk.rename_errno;
		return -1;
	}
	return __real_renameat(from_fd, from, to_fd, to);
}
