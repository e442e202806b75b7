/*
 * Finds the files that a job is asked for and copies them into the shared page, after its code has
 * ended.
 *
 * The tree is the job's: it can be deep, have names that are no text, and (with native code) change
 * while it is read. So directories are walked by a list and not by recursion, one descriptor is
 * open at a time, names that could not be given back are not followed, sizes are asked of the open
 * file, and a file that shrinks meanwhile ends in what there is. There are no links (the filter has
 * none, and the mount follows none) and no special files; what is not a regular file with one name
 * is passed by. stintd believes nothing of the outcome. Called by python_scratch.c.
 */
#define _GNU_SOURCE
#include "worker/scratch.h"

#include "protocol/base_sys.h"
#include "protocol/file_glob.h"
#include "protocol/file_name.h"
#include "protocol/limits.h"
#include "protocol/worker_abi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_HEADER_BYTES 8u /* of a field: tag and length */

/* Names on the heap. */
struct scratch_names {
	char **names; /* owned, each too */
	size_t count, capacity;
};

struct scratch_search {
	const struct job_text *patterns; /* borrowed */
	size_t pattern_count;
	struct scratch_names todo;  /* directories that are still to be read; "" is the top */
	struct scratch_names found; /* files that a pattern matches */
	size_t left_out;
};

static int
scratch_names_add(struct scratch_names *names, const char *name, struct error *err)
{
	if (names->count == names->capacity) {
		size_t capacity = names->capacity > 0 ? 2 * names->capacity : 64;
		char **more = realloc(names->names, capacity * sizeof(*more));

		if (more == NULL)
			return error_errno(err, "memory for names");
		names->names = more;
		names->capacity = capacity;
	}
	names->names[names->count] = strdup(name);
	if (names->names[names->count] == NULL)
		return error_errno(err, "memory for names");
	names->count++;
	return 0;
}

static void
scratch_names_deinit(struct scratch_names *names)
{
	while (names->count > 0)
		free(names->names[--names->count]);
	free(names->names);
}

static bool
scratch_wanted(const struct scratch_search *search, const char *name)
{
	for (size_t i = 0; i < search->pattern_count; i++)
		if (file_glob_matches(search->patterns[i].bytes, search->patterns[i].size, name,
				      strlen(name)))
			return true;
	return false;
}

/* One entry of the directory `above` ("" at the top). */
static int
scratch_entry(struct scratch_search *search, const char *above, const struct dirent *entry,
	      struct error *err)
{
	char name[2 * NAME_BYTES_MAX + 2];
	bool directory = entry->d_type == DT_DIR;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return 0;
	if (!directory && entry->d_type != DT_REG)
		return 0;
	(void)snprintf(name, sizeof(name), "%s%s%s", above, above[0] != '\0' ? "/" : "",
		       entry->d_name);
	if (directory) {
		/* Nothing below a name that cannot be given back can be given back. */
		if (file_name_fault(name, strlen(name)) == NULL)
			return scratch_names_add(&search->todo, name, err);
		search->left_out++;
		return 0;
	}
	if (!scratch_wanted(search, name))
		return 0;
	if (file_name_fault(name, strlen(name)) != NULL) {
		search->left_out++;
		return 0;
	}
	if (search->found.count == FILES_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d files", FILES_MAX);
	return scratch_names_add(&search->found, name, err);
}

static int
scratch_directory(struct scratch_search *search, int root, const char *name, struct error *err)
{
	int fd = openat(root, name[0] != '\0' ? name : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const struct dirent *entry;
	int r = 0;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, "%s", name);
	dir = fdopendir(fd);
	if (dir == NULL) {
		base_close(&fd);
		return error_errno(err, "%s", name);
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		r = scratch_entry(search, name, entry, err);
	if (r == 0 && errno != 0)
		r = error_errno(err, "%s", name);
	(void)closedir(dir);
	return r;
}

static int
scratch_search(struct scratch_search *search, int root, struct error *err)
{
	int r = scratch_names_add(&search->todo, "", err);

	while (r == 0 && search->todo.count > 0) {
		char *name = search->todo.names[--search->todo.count];

		r = scratch_directory(search, root, name, err);
		free(name);
	}
	return r;
}

static int
scratch_order(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return file_name_compare(*left, strlen(*left), *right, strlen(*right));
}

static void
scratch_header(uint8_t *to, uint32_t tag, uint32_t length)
{
	for (unsigned i = 0; i < 4; i++) {
		to[i] = (uint8_t)(tag >> (8 * i));
		to[4 + i] = (uint8_t)(length >> (8 * i));
	}
}

/* Where the fields go. */
struct scratch_place {
	uint8_t *to; /* borrowed */
	size_t room, used, files;
	uint64_t bytes_left; /* of contents */
};

static int
scratch_too_much(struct error *err)
{
	return error_set(err, ERROR_LIMIT, "more bytes than may be");
}

/* As much of the file as it says it has, straight to its place. */
static int
scratch_take(struct scratch_place *place, int root, const char *name, struct error *err)
{
	size_t length = strlen(name), size, got = 0, need;
	autoclose int fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t *at = place->to + place->used;
	struct stat status;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "%s", name);
	if (fstat(fd, &status) < 0)
		return error_errno(err, "%s", name);
	if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
		return 0;
	if ((uint64_t)status.st_size > place->bytes_left)
		return scratch_too_much(err);
	size = (size_t)status.st_size;
	need = 2 * SCRATCH_HEADER_BYTES + length + size;
	if (need > place->room - place->used)
		return scratch_too_much(err);
	scratch_header(at, RESULT_FILE_NAME, (uint32_t)length);
	memcpy(at + SCRATCH_HEADER_BYTES, name, length);
	at += SCRATCH_HEADER_BYTES + length;
	while (got < size) {
		ssize_t n = read(fd, at + SCRATCH_HEADER_BYTES + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "%s", name);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	scratch_header(at, RESULT_FILE_BYTES, (uint32_t)got);
	place->used += need - (size - got);
	place->bytes_left -= got;
	place->files++;
	return 0;
}

int
scratch_collect(const struct job_text *patterns, size_t count, uint64_t bytes_max, uint8_t *to,
		size_t room, struct scratch_found *ret_found, struct error *err)
{
	struct scratch_search search = {.patterns = patterns, .pattern_count = count};
	struct scratch_place place = {.to = to, .room = room, .bytes_left = bytes_max};
	autoclose int root = open(SCRATCH_PATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (root < 0)
		return error_errno(err, "%s", SCRATCH_PATH);
	r = scratch_search(&search, root, err);
	if (r == 0 && search.found.count > 0)
		qsort(search.found.names, search.found.count, sizeof(char *), scratch_order);
	for (size_t i = 0; i < search.found.count && r == 0; i++)
		r = scratch_take(&place, root, search.found.names[i], err);
	if (r == 0)
		*ret_found = (struct scratch_found){place.used, place.files, search.left_out};
	scratch_names_deinit(&search.todo);
	scratch_names_deinit(&search.found);
	return r;
}
