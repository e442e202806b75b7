/*
 * Writes what a job has left in its scratch directory.
 *
 * Names and contents are a tenant's, and the directory may hold links that somebody has put there:
 * each name is checked as the daemon checks it, and its components are opened one by one without
 * following a link; files are made, never opened. Called by client_run.c. Stops at the first file
 * that cannot be written; those before it stay.
 */
#define _GNU_SOURCE
#include "client/client_files.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/file_name.h"
#include "protocol/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLIENT_FILES_QUOTE_BYTES 300

/* The directory that `path` lies in, below `root`; *ret_last is its last component. */
static int
client_files_enter(int root, char *path, int *ret_fd, const char **ret_last, struct error *err)
{
	autoclose int fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
	char *part = path, *slash;

	if (fd < 0)
		return error_errno(err, "cannot keep the directory open");
	while ((slash = strchr(part, '/')) != NULL) {
		int next;

		*slash = '\0';
		if (mkdirat(fd, part, 0777) < 0 && errno != EEXIST)
			return error_errno(err, "directory %s", part);
		next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_errno(err, "directory %s", part);
		base_close(&fd);
		fd = next;
		part = slash + 1;
	}
	*ret_fd = fd;
	*ret_last = part;
	fd = -1;
	return 0;
}

static int
client_files_put(int root, const char *name, const void *bytes, size_t size, struct error *err)
{
	char path[NAME_BYTES_MAX + 1];
	autoclose int directory = -1, fd = -1;
	const char *last = NULL;
	int code;

	memcpy(path, name, strlen(name) + 1);
	code = client_files_enter(root, path, &directory, &last, err);
	if (code < 0)
		return code;
	fd = openat(directory, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_errno(err, "%s", errno == EEXIST ? "not replaced" : "not made");
	return base_write_full(fd, bytes, size, err);
}

static int
client_files_one(int root, const json_t *file, struct error *err)
{
	const json_t *name = json_object_get(file, "name");
	const json_t *content = json_object_get(file, "content");
	const json_t *base64 = json_object_get(file, "base64");
	const char *text = json_string_value(name), *fault = "is none";
	const json_t *bytes = content != NULL ? content : base64;
	char quoted[CLIENT_FILES_QUOTE_BYTES], *copy;
	size_t size = json_string_length(bytes);
	int code;

	if (text != NULL)
		fault = file_name_fault(text, json_string_length(name));
	if (fault != NULL || !json_is_string(bytes))
		return error_set(err, ERROR_INVALID, "a file's name or content %s",
				 fault != NULL ? fault : "is missing");
	copy = malloc(size + 1);
	if (copy == NULL)
		return error_errno(err, "memory for a file");
	memcpy(copy, json_string_value(bytes), size + 1);
	if (content == NULL && !client_json_from_base64(copy, size, &size))
		code = error_set(err, ERROR_INVALID, "not base64");
	else
		code = client_files_put(root, text, copy, size, err);
	free(copy);
	(void)base_log_quote(text, strlen(text), quoted, sizeof(quoted));
	return code < 0 ? error_wrap(err, "--out: %s", quoted) : 0;
}

int
client_files_write(struct client_json files, const char *directory, struct error *err)
{
	json_t *array =
	    files.size > 0 ? json_loadb(files.at, files.size, JSON_ALLOW_NUL, NULL) : NULL;
	autoclose int root = -1;
	int code = 0;

	if (!json_is_array(array)) {
		json_decref(array);
		return error_set(err, ERROR_INVALID, "the result has no files");
	}
	if (mkdir(directory, 0777) < 0 && errno != EEXIST)
		code = error_errno(err, "--out: %s", directory);
	if (code == 0) {
		root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			code = error_errno(err, "--out: %s", directory);
	}
	for (size_t i = 0; i < json_array_size(array) && code == 0; i++)
		code = client_files_one(root, json_array_get(array, i), err);
	json_decref(array);
	return code;
}
