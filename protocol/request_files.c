/*
 * The parameters `files` and `collect` of job.run: scratch files in, scratch files out.
 *
 * A name is checked here, before anything is queued, so that the fault is named to who made it; the
 * worker and stintd check again what they are given. Says also whether the files fit into the
 * limits, in the pages and inodes of a tmpfs. Called by request_json.c; the first fault ends the
 * reading.
 */
#define _GNU_SOURCE
#include "protocol/request_blob.h"

#include "protocol/base_log.h"
#include "protocol/file_name.h"
#include "protocol/worker_abi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_QUOTE_BYTES 128

static int
request_files_refuse(const struct request_reader *reader, const char *parameter, const char *name,
		     size_t size, const char *fault)
{
	char quoted[REQUEST_QUOTE_BYTES];

	return error_set(reader->err, ERROR_INVALID, "%s: \"%s\" %s", parameter,
			 base_log_quote(name, size, quoted, sizeof(quoted)), fault);
}

/*
 * Enter the name and the directories on its way into `seen`: a name maps to true for a file and to
 * false for a directory.
 */
static int
request_files_note(struct request_reader *reader, json_t *seen, const char *name, size_t size)
{
	for (size_t i = 1; i <= size; i++) {
		const json_t *there;

		if (i < size && name[i] != '/')
			continue;
		there = json_object_getn(seen, name, i);
		if (there != NULL && i == size)
			return request_files_refuse(reader, "files", name, size,
						    json_is_true(there)
							? "stands twice"
							: "is also a directory of another file");
		if (json_is_true(there))
			return request_files_refuse(reader, "files", name, size,
						    "lies below another file");
		if (there != NULL)
			continue;
		if (json_object_setn_new_nocheck(seen, name, i, json_boolean(i == size)) < 0)
			return error_set(reader->err, ERROR_SYSTEM, "files: out of memory");
		reader->file_inodes++;
	}
	return 0;
}

static int
request_files_name(struct request_reader *reader, const json_t *value, json_t *seen)
{
	const char *name, *fault;
	size_t size;
	int r;

	if (value == NULL)
		return error_set(reader->err, ERROR_INVALID, "files: an entry has no \"name\"");
	r = request_string(reader, "files: a name", value, &name, &size);
	if (r < 0)
		return r;
	fault = file_name_fault(name, size);
	if (fault == NULL && file_name_depth(name, size) > FILE_DEPTH_MAX)
		fault = "has more than 16 components";
	if (fault != NULL)
		return request_files_refuse(reader, "files", name, size, fault);
	r = request_files_note(reader, seen, name, size);
	if (r == 0)
		pack_put(&reader->pack, JOB_FILE_NAME, name, size);
	return r;
}

static void
request_files_put(struct request_reader *reader, const void *bytes, size_t size)
{
	pack_put(&reader->pack, JOB_FILE_BYTES, bytes, size);
	reader->file_bytes +=
	    (size + SCRATCH_PAGE_BYTES - 1) / SCRATCH_PAGE_BYTES * SCRATCH_PAGE_BYTES;
}

static int
request_files_entry(struct request_reader *reader, const json_t *entry, json_t *seen)
{
	const json_t *content = json_object_get(entry, "content");
	const json_t *base64 = json_object_get(entry, "base64");
	uint8_t *decoded = NULL;
	const char *bytes;
	size_t size;
	int r;

	if (!json_is_object(entry))
		return request_refuse_type(reader, "an entry of files", entry, "an object");
	if ((content != NULL) == (base64 != NULL) || json_object_size(entry) != 2)
		return error_set(reader->err, ERROR_INVALID,
				 "files: an entry must have \"name\" and one of \"content\" and "
				 "\"base64\", and nothing else");
	r = request_files_name(reader, json_object_get(entry, "name"), seen);
	if (r < 0)
		return r;
	if (content != NULL) {
		r = request_string(reader, "files: content", content, &bytes, &size);
		if (r == 0)
			request_files_put(reader, bytes, size);
		return r;
	}
	r = request_base64(reader, "files: base64", base64, &decoded, &size);
	if (r == 0)
		request_files_put(reader, decoded, size);
	free(decoded);
	return r;
}

int
request_files_read(struct request_reader *reader, json_t *value)
{
	json_t *seen;
	int r = 0;

	if (!json_is_array(value))
		return request_refuse_type(reader, "files", value, "an array of objects");
	if (json_array_size(value) > FILES_MAX)
		return error_set(reader->err, ERROR_INVALID, "files: %zu entries, at most %d",
				 json_array_size(value), FILES_MAX);
	seen = json_object();
	if (seen == NULL)
		return error_set(reader->err, ERROR_SYSTEM, "files: out of memory");
	for (size_t i = 0; i < json_array_size(value) && r == 0; i++)
		r = request_files_entry(reader, json_array_get(value, i), seen);
	json_decref(seen);
	reader->has_files = json_array_size(value) > 0;
	return r;
}

int
request_files_collect(struct request_reader *reader, json_t *value)
{
	if (!json_is_array(value))
		return request_refuse_type(reader, "collect", value, "an array of strings");
	if (json_array_size(value) > COLLECT_MAX)
		return error_set(reader->err, ERROR_INVALID, "collect: %zu entries, at most %d",
				 json_array_size(value), COLLECT_MAX);
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *pattern, *fault;
		size_t size;
		int r = request_string(reader, "an entry of collect", json_array_get(value, i),
				       &pattern, &size);

		if (r < 0)
			return r;
		fault = file_name_fault(pattern, size);
		if (fault != NULL)
			return request_files_refuse(reader, "collect", pattern, size, fault);
		pack_put(&reader->pack, JOB_COLLECT, pattern, size);
		reader->request.collects = true;
	}
	return 0;
}

int
request_files_complete(struct request_reader *reader)
{
	const struct limits *limits = &reader->request.limits;
	const char *which = reader->has_files ? "files" : "collect";

	if (limits->scratch_bytes == 0) {
		if (!reader->has_files && !reader->request.collects)
			return 0;
		return error_set(reader->err, ERROR_INVALID,
				 "%s: needs a scratch directory: set limits.scratch_bytes", which);
	}
	if (reader->file_bytes > limits->scratch_bytes)
		return error_set(reader->err, ERROR_INVALID,
				 "files: %" PRIu64 " bytes in whole pages do not fit into "
				 "limits.scratch_bytes, %" PRIu64,
				 reader->file_bytes, limits->scratch_bytes);
	if (reader->file_inodes > limits->scratch_files)
		return error_set(reader->err, ERROR_INVALID,
				 "files: %" PRIu64 " files and directories, limits.scratch_files "
				 "is %" PRIu64,
				 reader->file_inodes, limits->scratch_files);
	return 0;
}
