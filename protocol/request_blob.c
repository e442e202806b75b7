/*
 * The parameters of job.run that travel to the worker: program, arguments, inputs, outputs, entry,
 * modules; each is checked and packed as worker_abi.h says.
 *
 * Reads trees that json_value made. One refusal text per rule, naming the parameter; client's words
 * in it are escaped and cut. Running out of room or memory shows in pack.failed, which request_json
 * looks at once.
 */
#define _GNU_SOURCE
#include "protocol/request_blob.h"
#include "protocol/base64.h"
#include "protocol/base_log.h"
#include "protocol/worker_abi.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST_QUOTE_BYTES 64
/* Header of a .pyc file: magic, flags, time or hash, size. */
#define REQUEST_PYC_HEADER_BYTES 16

int
request_refuse_type(const struct request_reader *reader, const char *name, const json_t *value,
		    const char *want)
{
	return error_set(reader->err, ERROR_INVALID, "%s: %s; must be %s", name,
			 json_value_kind(reader->marks, value), want);
}

int
request_string(const struct request_reader *reader, const char *name, const json_t *value,
	       const char **ret_bytes, size_t *ret_size)
{
	if (!json_value_string(reader->marks, value, ret_bytes, ret_size))
		return request_refuse_type(reader, name, value, "a string");
	return 0;
}

int
request_base64(const struct request_reader *reader, const char *name, const json_t *text,
	       uint8_t **ret_bytes, size_t *ret_size)
{
	const char *bytes;
	size_t size;
	int r = request_string(reader, name, text, &bytes, &size);

	if (r < 0)
		return r;
	r = base64_decode(bytes, size, ret_bytes, ret_size, reader->err);
	return r < 0 && reader->err != NULL ? error_wrap(reader->err, "%s", name) : r;
}

int
request_blob_source(struct request_reader *reader, json_t *value)
{
	const char *bytes;
	size_t size;
	int r = request_string(reader, "source", value, &bytes, &size);

	if (r < 0)
		return r;
	reader->has_source = true;
	pack_put(&reader->pack, JOB_SOURCE, bytes, size);
	return 0;
}

int
request_blob_code(struct request_reader *reader, json_t *value)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int r = request_base64(reader, "code", value, &bytes, &size);

	if (r == 0 && size < REQUEST_PYC_HEADER_BYTES)
		r = error_set(reader->err, ERROR_INVALID,
			      "code: %zu bytes; the header of a .pyc file alone has %d", size,
			      REQUEST_PYC_HEADER_BYTES);
	if (r == 0) {
		reader->has_code = true;
		pack_put(&reader->pack, JOB_CODE, bytes, size);
	}
	free(bytes);
	return r;
}

int
request_blob_args(struct request_reader *reader, json_t *value)
{
	const char *bytes;
	size_t size;

	if (!json_is_array(value))
		return request_refuse_type(reader, "args", value, "an array of strings");
	if (json_array_size(value) > ARGS_MAX)
		return error_set(reader->err, ERROR_INVALID, "args: %zu entries, at most %d",
				 json_array_size(value), ARGS_MAX);
	for (size_t i = 0; i < json_array_size(value); i++) {
		int r = request_string(reader, "an entry of args", json_array_get(value, i), &bytes,
				       &size);

		if (r < 0)
			return r;
		pack_put(&reader->pack, JOB_ARG, bytes, size);
	}
	return 0;
}

/* Whether a Python identifier, as far as ASCII tells; Python itself judges the rest. */
static bool
request_is_identifier(const char *name, size_t size)
{
	if (size == 0 || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)name[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && c != '_' && c < 0x80 && !(c >= '0' && c <= '9'))
			return false;
	}
	return true;
}

static int
request_check_name(const struct request_reader *reader, const char *parameter, const char *name,
		   size_t size, const char *what, bool good)
{
	char quoted[REQUEST_QUOTE_BYTES];

	if (good && size <= NAME_BYTES_MAX)
		return 0;
	(void)base_log_quote(name, size, quoted, sizeof(quoted));
	if (!good)
		return error_set(reader->err, ERROR_INVALID, "%s: \"%s\" is not %s", parameter,
				 quoted, what);
	return error_set(reader->err, ERROR_INVALID, "%s: \"%s...\" has %zu bytes, at most %d",
			 parameter, quoted, size, NAME_BYTES_MAX);
}

static int
request_check_identifier(const struct request_reader *reader, const char *parameter,
			 const char *name, size_t size)
{
	return request_check_name(reader, parameter, name, size, "a Python identifier",
				  request_is_identifier(name, size));
}

/* A value as JSON text into the blob. */
static int
request_put_json(struct request_reader *reader, uint32_t field, const json_t *value)
{
	struct text_buffer text;

	text_buffer_init(&text, reader->pack.max);
	json_value_write(reader->marks, value, &text);
	if (text.failed)
		reader->pack.failed = 1;
	else
		pack_put(&reader->pack, field, text.bytes, text.size);
	text_buffer_deinit(&text);
	return 0;
}

int
request_blob_inputs(struct request_reader *reader, json_t *value)
{
	if (!json_is_object(value))
		return request_refuse_type(reader, "inputs", value, "an object");
	for (void *at = json_object_iter(value); at != NULL;
	     at = json_object_iter_next(value, at)) {
		int r = request_check_identifier(reader, "inputs", json_object_iter_key(at),
						 json_object_iter_key_len(at));

		if (r < 0)
			return r;
	}
	return request_put_json(reader, JOB_INPUTS, value);
}

static int
request_put_output(struct request_reader *reader, const json_t *output, json_t *seen)
{
	char quoted[REQUEST_QUOTE_BYTES];
	const char *name;
	size_t size;
	int r = request_string(reader, "an entry of outputs", output, &name, &size);

	if (r == 0)
		r = request_check_identifier(reader, "outputs", name, size);
	if (r < 0)
		return r;
	if (json_object_get(seen, name) != NULL)
		return error_set(reader->err, ERROR_INVALID, "outputs: \"%s\" stands twice",
				 base_log_quote(name, size, quoted, sizeof(quoted)));
	if (json_object_set_new_nocheck(seen, name, json_true()) < 0)
		return error_set(reader->err, ERROR_SYSTEM, "outputs: out of memory");
	pack_put(&reader->pack, JOB_OUTPUT, name, size);
	return 0;
}

int
request_blob_outputs(struct request_reader *reader, json_t *value)
{
	json_t *seen;
	int r = 0;

	if (!json_is_array(value))
		return request_refuse_type(reader, "outputs", value, "an array of strings");
	if (json_array_size(value) > OUTPUTS_MAX)
		return error_set(reader->err, ERROR_INVALID, "outputs: %zu entries, at most %d",
				 json_array_size(value), OUTPUTS_MAX);
	seen = json_object();
	if (seen == NULL)
		return error_set(reader->err, ERROR_SYSTEM, "outputs: out of memory");
	for (size_t i = 0; i < json_array_size(value) && r == 0; i++)
		r = request_put_output(reader, json_array_get(value, i), seen);
	json_decref(seen);
	reader->has_outputs = json_array_size(value) > 0;
	return r;
}

static int
request_put_function(struct request_reader *reader, const json_t *function)
{
	const char *name;
	size_t size;
	int r;

	if (function == NULL)
		return error_set(reader->err, ERROR_INVALID, "entry.function: missing");
	r = request_string(reader, "entry.function", function, &name, &size);
	if (r == 0)
		r = request_check_identifier(reader, "entry.function", name, size);
	if (r == 0)
		pack_put(&reader->pack, JOB_ENTRY, name, size);
	return r;
}

int
request_blob_entry(struct request_reader *reader, json_t *value)
{
	const json_t *args = json_object_get(value, "args");
	const json_t *kwargs = json_object_get(value, "kwargs");
	char quoted[REQUEST_QUOTE_BYTES];
	int r;

	if (!json_is_object(value))
		return request_refuse_type(reader, "entry", value, "an object");
	for (void *at = json_object_iter(value); at != NULL;
	     at = json_object_iter_next(value, at)) {
		const char *key = json_object_iter_key(at);

		if (strcmp(key, "function") != 0 && strcmp(key, "args") != 0 &&
		    strcmp(key, "kwargs") != 0)
			return error_set(reader->err, ERROR_INVALID,
					 "unknown parameter \"entry.%s\"",
					 base_log_quote(key, strlen(key), quoted, sizeof(quoted)));
	}
	r = request_put_function(reader, json_object_get(value, "function"));
	if (r < 0)
		return r;
	if (args != NULL && !json_is_array(args))
		return request_refuse_type(reader, "entry.args", args, "an array");
	if (kwargs != NULL && !json_is_object(kwargs))
		return request_refuse_type(reader, "entry.kwargs", kwargs, "an object");
	reader->has_entry = true;
	if (args != NULL)
		r = request_put_json(reader, JOB_ENTRY_ARGS, args);
	if (r == 0 && kwargs != NULL)
		r = request_put_json(reader, JOB_ENTRY_KWARGS, kwargs);
	return r;
}

/* Identifiers with dots between them. */
static bool
request_is_dotted(const char *name, size_t size)
{
	size_t start = 0;

	for (size_t i = 0; i <= size; i++) {
		if (i < size && name[i] != '.')
			continue;
		if (!request_is_identifier(name + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

int
request_blob_modules(struct request_reader *reader, json_t *value)
{
	const char *source;
	size_t size;

	if (!json_is_object(value))
		return request_refuse_type(reader, "modules", value, "an object");
	if (json_object_size(value) > MODULES_MAX)
		return error_set(reader->err, ERROR_INVALID, "modules: %zu entries, at most %d",
				 json_object_size(value), MODULES_MAX);
	for (void *at = json_object_iter(value); at != NULL;
	     at = json_object_iter_next(value, at)) {
		const char *name = json_object_iter_key(at);
		size_t length = json_object_iter_key_len(at);
		int r = request_check_name(reader, "modules", name, length, "a dotted module name",
					   request_is_dotted(name, length));

		if (r == 0)
			r = request_string(reader, "a source in modules",
					   json_object_iter_value(at), &source, &size);
		if (r < 0)
			return r;
		pack_put(&reader->pack, JOB_MODULE_NAME, name, length);
		pack_put(&reader->pack, JOB_MODULE_SOURCE, source, size);
	}
	return 0;
}
