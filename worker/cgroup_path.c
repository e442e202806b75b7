/*
 * Parsing and making of control group names and paths.
 *
 * Pure functions on strings: no file is opened, nothing is logged, nothing is allocated, so that
 * every form of /proc/<pid>/cgroup can be tested without the kernel that writes it. The text comes
 * from the kernel, but group names in it come from whoever made the groups: lengths are checked,
 * and a path that leaves the hierarchy is refused.
 *
 * Called by cgroup_find.c and cgroup_tree.c at start. Fails with an error; never half-written
 * output.
 */
#define _GNU_SOURCE
#include "worker/cgroup_path.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUP_PATH_SERVICE_PREFIX "stint-"

/* Whether the comma list [begin, end) has `word`; both empty counts as a match. */
static bool
cgroup_path_in_commas(const char *begin, const char *end, const char *word)
{
	size_t length = strlen(word);

	for (;;) {
		const char *comma = memchr(begin, ',', (size_t)(end - begin));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - begin) == length && memcmp(begin, word, length) == 0)
			return true;
		if (!comma)
			return false;
		begin = comma + 1;
	}
}

static bool
cgroup_path_ends_with(const char *path, size_t length, const char *suffix)
{
	size_t tail = strlen(suffix);

	return length >= tail && memcmp(path + length - tail, suffix, tail) == 0;
}

int
cgroup_path_own(const char *text, const char *controller, char *ret, size_t size, struct error *err)
{
	const char *name = *controller ? controller : "unified (v2)";

	for (const char *line = text, *next; *line; line = next) {
		const char *end = strchrnul(line, '\n');
		const char *list = memchr(line, ':', (size_t)(end - line));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
		size_t length;

		next = *end ? end + 1 : end;
		if (!path || !cgroup_path_in_commas(list + 1, path, controller))
			continue;
		path++;
		length = (size_t)(end - path);
		if (length == 0 || *path != '/' || strncmp(path, "/..", 3) == 0 ||
		    cgroup_path_ends_with(path, length, " (deleted)"))
			return error_set(
			    err, ERROR_INVALID,
			    "own control group of %s cannot be used: set cgroup_parent", name);
		if (length >= size)
			return error_set(err, ERROR_LIMIT,
					 "own control group of %s has a path above %zu bytes", name,
					 size - 1);
		memcpy(ret, path, length);
		ret[length] = '\0';
		return 0;
	}
	return error_set(err, ERROR_NOT_FOUND, "/proc/self/cgroup does not name %s", name);
}

bool
cgroup_path_has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	while (*list) {
		size_t span = strcspn(list, " \n");

		if (span == length && memcmp(list, word, length) == 0)
			return true;
		list += span;
		list += strspn(list, " \n");
	}
	return false;
}

void
cgroup_path_service(pid_t pid, char ret[CGROUP_PATH_NAME_BYTES_MAX])
{
	(void)snprintf(ret, CGROUP_PATH_NAME_BYTES_MAX, CGROUP_PATH_SERVICE_PREFIX "%d", (int)pid);
}

pid_t
cgroup_path_service_pid(const char *name)
{
	char again[CGROUP_PATH_NAME_BYTES_MAX];
	size_t prefix = strlen(CGROUP_PATH_SERVICE_PREFIX);
	long number;

	if (strncmp(name, CGROUP_PATH_SERVICE_PREFIX, prefix) != 0)
		return 0;
	number = strtol(name + prefix, NULL, 10);
	if (number <= 0 || number > INT_MAX)
		return 0;
	cgroup_path_service((pid_t)number, again);
	return strcmp(name, again) == 0 ? (pid_t)number : 0;
}
