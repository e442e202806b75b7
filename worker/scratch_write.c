/*
 * Writes the files that a job brings into its scratch directory, before the job's code runs.
 *
 * Runs as the job's own uid under its narrow filter, so a name that got past all checks could reach
 * what the job itself can reach and no more. The directory is fresh and nobody else writes to it:
 * every file is made with O_EXCL, and a failure is a full directory or a defect. Called by
 * python_scratch.c.
 */
#define _GNU_SOURCE
#include "worker/scratch.h"

#include "protocol/base_sys.h"
#include "protocol/file_name.h"
#include "protocol/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The directories on the way to `path`, which is changed and put right again. */
static int
scratch_write_directories(int root, char *path)
{
	for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		int made;

		*slash = '\0';
		made = mkdirat(root, path, 0700);
		*slash = '/';
		if (made < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

static int
scratch_write_one(int root, const struct job_file *file, struct error *err)
{
	char path[NAME_BYTES_MAX + 1];
	autoclose int fd = -1;
	int r;

	if (file_name_fault(file->name.bytes, file->name.size) != NULL)
		return error_set(err, ERROR_INVALID, "a file's name is not one");
	memcpy(path, file->name.bytes, file->name.size);
	path[file->name.size] = '\0';
	if (scratch_write_directories(root, path) < 0)
		return error_errno(err, "the directories of %s", path);
	fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, "%s", path);
	r = base_write_full(fd, file->content.bytes, file->content.size, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

int
scratch_write(const struct job_file *files, size_t count, struct error *err)
{
	autoclose int root = -1;
	int r = 0;

	if (count == 0)
		return 0;
	root = open(SCRATCH_PATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, "%s", SCRATCH_PATH);
	for (size_t i = 0; i < count && r == 0; i++)
		r = scratch_write_one(root, &files[i], err);
	return r;
}
