/*
 * job.run's parameters: the table of all of them, those that stay in stintd, and the rules between
 * them. What travels to the worker is in request_blob.c.
 *
 * Called by the RPC layer for each request. A parameter that is not in the table, is not available
 * in this version or breaks a rule is refused by name; nothing is adjusted silently. The first
 * fault ends the reading.
 */
#define _GNU_SOURCE
#include "protocol/request_json.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/request_blob.h"
#include "protocol/worker_abi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_QUOTE_BYTES  64
#define REQUEST_DEFAULT_NAME "main.py"
/* A blob can be larger than its request: 1e9 becomes 1000000000.0. */
#define REQUEST_BLOB_GROWTH 8
#define REQUEST_BLOB_EXTRA  (1u << 20)

/* A string parameter that must be one of a few words; *ret_index is which. */
static int
request_word(const struct request_reader *reader, const char *name, const json_t *value,
	     const char *const *words, size_t count, const char *want, size_t *ret_index)
{
	char quoted[REQUEST_QUOTE_BYTES];
	const char *bytes;
	size_t size;
	int r = request_string(reader, name, value, &bytes, &size);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) == size && memcmp(words[i], bytes, size) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	return error_set(reader->err, ERROR_INVALID, "%s: \"%s\"; must be %s", name,
			 base_log_quote(bytes, size, quoted, sizeof(quoted)), want);
}

static int
request_read_runtime(struct request_reader *reader, json_t *value)
{
	static const char *const WORDS[] = {"python"};
	size_t index;

	return request_word(reader, "runtime", value, WORDS, 1, "\"python\"", &index);
}

static int
request_read_script(struct request_reader *reader, json_t *value)
{
	const char *bytes;
	size_t size;
	int r = request_string(reader, "script", value, &bytes, &size);

	if (r < 0)
		return r;
	if (size != REQUEST_SCRIPT_CHARS || strspn(bytes, "0123456789abcdef") != size)
		return error_set(reader->err, ERROR_INVALID,
				 "script: must be an id that script.put gave: %d hex digits",
				 REQUEST_SCRIPT_CHARS);
	memcpy(reader->request.script, bytes, size + 1);
	return 0;
}

static int
request_read_mode(struct request_reader *reader, json_t *value)
{
	static const char *const WORDS[] = {"exec", "eval"};
	size_t index = 0;
	int r = request_word(reader, "mode", value, WORDS, 2, "\"exec\" or \"eval\"", &index);

	reader->has_eval = index == 1;
	return r;
}

static int
request_read_trace(struct request_reader *reader, json_t *value)
{
	static const char *const WORDS[] = {"none", "opcodes", "lines", "calls"};
	size_t index = 0;
	int r = request_word(reader, "trace", value, WORDS, 4,
			     "\"none\", \"opcodes\", \"lines\" or \"calls\"", &index);

	reader->request.trace = (uint8_t)index; /* the words are in the order of enum trace_kind */
	return r;
}

/* A string of at most `max` bytes without NUL. */
static int
request_read_label(struct request_reader *reader, const char *name, const json_t *value, size_t max,
		   const char **ret_bytes, size_t *ret_size)
{
	int r = request_string(reader, name, value, ret_bytes, ret_size);

	if (r < 0)
		return r;
	if (*ret_size > max)
		return error_set(reader->err, ERROR_INVALID, "%s: %zu bytes, at most %zu", name,
				 *ret_size, max);
	if (memchr(*ret_bytes, '\0', *ret_size) != NULL)
		return error_set(reader->err, ERROR_INVALID, "%s: holds a NUL character", name);
	return 0;
}

static int
request_read_name(struct request_reader *reader, json_t *value)
{
	const char *bytes;
	size_t size;
	int r = request_read_label(reader, "name", value, NAME_BYTES_MAX, &bytes, &size);

	if (r < 0)
		return r;
	if (size == 0)
		return error_set(reader->err, ERROR_INVALID, "name: empty");
	reader->has_name = true;
	pack_put(&reader->pack, JOB_NAME, bytes, size);
	return 0;
}

static int
request_read_tag(struct request_reader *reader, json_t *value)
{
	const char *bytes;
	size_t size;
	int r = request_read_label(reader, "tag", value, NAME_BYTES_MAX, &bytes, &size);

	if (r < 0)
		return r;
	reader->request.tag = strndup(bytes, size);
	if (reader->request.tag == NULL)
		return error_set(reader->err, ERROR_SYSTEM, "tag: out of memory");
	return 0;
}

/* An integer from min to max. */
static int
request_read_integer(const struct request_reader *reader, const char *name, const json_t *value,
		     int64_t min, int64_t max, int64_t *ret_number)
{
	const char *big;
	size_t size;

	if (!json_is_integer(value) && !json_value_big(reader->marks, value, &big, &size))
		return request_refuse_type(reader, name, value, "an integer");
	if (!json_is_integer(value) || json_integer_value(value) < min ||
	    json_integer_value(value) > max)
		return error_set(reader->err, ERROR_INVALID,
				 "%s: must be from %" PRId64 " to %" PRId64, name, min, max);
	*ret_number = json_integer_value(value);
	return 0;
}

static int
request_read_priority(struct request_reader *reader, json_t *value)
{
	int64_t number = 0;
	int r = request_read_integer(reader, "priority", value, -PRIORITY_MAX, PRIORITY_MAX,
				     &number);

	reader->request.priority = (int8_t)number;
	return r;
}

static int
request_read_deadline(struct request_reader *reader, json_t *value)
{
	int64_t number = 0;
	int r = request_read_integer(reader, "deadline_ms", value, 1, DEADLINE_MAX_MS, &number);

	reader->request.deadline_ms = (uint64_t)number;
	return r;
}

static int
request_read_stream(struct request_reader *reader, json_t *value)
{
	if (!json_is_boolean(value))
		return request_refuse_type(reader, "stream", value, "true or false");
	reader->request.stream = json_is_true(value);
	return 0;
}

static int
request_read_stdin(struct request_reader *reader, json_t *value)
{
	struct run_request *request = &reader->request;
	const char *bytes;
	size_t size;

	if (json_is_object(value)) {
		const json_t *text = json_object_get(value, "base64");

		if (text == NULL || json_object_size(value) != 1)
			return error_set(reader->err, ERROR_INVALID,
					 "stdin: an object must have \"base64\" and nothing else");
		return request_base64(reader, "stdin.base64", text, &request->stdin_bytes,
				      &request->stdin_size);
	}
	if (!json_value_string(reader->marks, value, &bytes, &size))
		return request_refuse_type(reader, "stdin", value, "a string or {\"base64\": ...}");
	request->stdin_bytes = base_large_malloc(size > 0 ? size : 1);
	if (request->stdin_bytes == NULL)
		return error_set(reader->err, ERROR_SYSTEM, "stdin: out of memory");
	memcpy(request->stdin_bytes, bytes, size);
	request->stdin_size = size;
	return 0;
}

static int
request_limit_too_high(const struct request_reader *reader, const struct limit_info *info,
		       const char *value, size_t size, uint64_t maximum)
{
	char quoted[REQUEST_QUOTE_BYTES];

	return error_set(reader->err, ERROR_LIMIT,
			 "limits.%s: %s%s is above the maximum of %" PRIu64 " %s", info->name,
			 base_log_quote(value, size, quoted, sizeof(quoted)),
			 size >= sizeof(quoted) ? "..." : "", maximum, info->unit);
}

/* One limit whose name is known. */
static int
request_read_limit(struct request_reader *reader, const struct limit_info *info,
		   const json_t *value)
{
	enum limit_id id = (enum limit_id)(info - LIMITS);
	uint64_t maximum = limits_get(&reader->terms->limits_max, id);
	char name[NAME_BYTES_MAX], digits[24];
	const char *big;
	size_t size;
	int64_t number;

	(void)snprintf(name, sizeof(name), "limits.%s", info->name);
	if (json_value_big(reader->marks, value, &big, &size) && big[0] != '-')
		return request_limit_too_high(reader, info, big, size, maximum);
	if (!json_is_integer(value) && !json_value_big(reader->marks, value, &big, &size))
		return request_refuse_type(reader, name, value, "an integer");
	number = json_is_integer(value) ? json_integer_value(value) : -1;
	if (number < 0 || (uint64_t)number < info->min)
		return error_set(reader->err, ERROR_INVALID, "%s: must be at least %" PRIu64 " %s",
				 name, info->min, info->unit);
	if ((uint64_t)number > maximum) {
		(void)snprintf(digits, sizeof(digits), "%" PRId64, number);
		return request_limit_too_high(reader, info, digits, strlen(digits), maximum);
	}
	limits_set(&reader->request.limits, id, (uint64_t)number);
	return 0;
}

static int
request_read_limits(struct request_reader *reader, json_t *value)
{
	char quoted[REQUEST_QUOTE_BYTES];
	int r = 0;

	if (!json_is_object(value))
		return request_refuse_type(reader, "limits", value, "an object");
	for (void *at = json_object_iter(value); at != NULL && r == 0;
	     at = json_object_iter_next(value, at)) {
		const char *key = json_object_iter_key(at);
		const struct limit_info *info = limits_find(key, strlen(key));

		if (info == NULL)
			return error_set(reader->err, ERROR_INVALID, "unknown limit \"%s\"",
					 base_log_quote(key, strlen(key), quoted, sizeof(quoted)));
		r = request_read_limit(reader, info, json_object_iter_value(at));
	}
	return r;
}

/* All parameters of job.run; without a reader: not of job.run. */
static const struct {
	const char *name;
	int (*read)(struct request_reader *reader, json_t *value);
} PARAMETERS[] = {
    {"source", request_blob_source},
    {"code", request_blob_code},
    {"script", request_read_script},
    {"name", request_read_name},
    {"runtime", request_read_runtime},
    {"mode", request_read_mode},
    {"args", request_blob_args},
    {"stdin", request_read_stdin},
    {"inputs", request_blob_inputs},
    {"outputs", request_blob_outputs},
    {"entry", request_blob_entry},
    {"modules", request_blob_modules},
    {"files", request_files_read},
    {"collect", request_files_collect},
    {"limits", request_read_limits},
    {"stream", request_read_stream},
    {"trace", request_read_trace},
    {"priority", request_read_priority},
    {"deadline_ms", request_read_deadline},
    {"tag", request_read_tag},
    {"idempotency_key", NULL},
};

static int
request_read_parameter(struct request_reader *reader, const char *name, json_t *value)
{
	char quoted[REQUEST_QUOTE_BYTES];

	for (size_t i = 0; i < sizeof(PARAMETERS) / sizeof(PARAMETERS[0]); i++) {
		if (strcmp(PARAMETERS[i].name, name) != 0)
			continue;
		if (PARAMETERS[i].read == NULL)
			return error_set(reader->err, ERROR_INVALID,
					 "%s is a parameter of job.submit alone", name);
		return PARAMETERS[i].read(reader, value);
	}
	return error_set(reader->err, ERROR_INVALID, "unknown parameter \"%s\"",
			 base_log_quote(name, strlen(name), quoted, sizeof(quoted)));
}

/* 0 is none: where the operator has set a maximum, that is what none means. */
static void
request_cap_none(struct limits *limits, const struct limits *maxima, enum limit_id id)
{
	if (limits_get(limits, id) == 0 && limits_get(maxima, id) < LIMITS[id].max)
		limits_set(limits, id, limits_get(maxima, id));
}

/* The rules between parameters, and what follows from them. */
static int
request_complete(struct request_reader *reader)
{
	bool has_script = reader->request.script[0] != '\0';
	if (reader->has_source + reader->has_code + has_script > 1)
		return error_set(reader->err, ERROR_INVALID,
				 "source, code and script: only one of them may be given");
	if (!reader->has_source && !reader->has_code && !has_script)
		return error_set(reader->err, ERROR_INVALID,
				 "source, code or script: one of them must be given");
	if (reader->has_eval && reader->has_entry)
		return error_set(reader->err, ERROR_INVALID,
				 "entry: does not go with mode \"eval\"");
	if (reader->has_eval && reader->has_code)
		return error_set(reader->err, ERROR_INVALID,
				 "code: does not go with mode \"eval\"");
	request_cap_none(&reader->request.limits, &reader->terms->limits_max, LIMIT_opcodes);
	request_cap_none(&reader->request.limits, &reader->terms->limits_max,
			 LIMIT_opcodes_per_second);
	int r = request_files_complete(reader);
	if (r < 0)
		return r;
	if (reader->has_eval)
		pack_put(&reader->pack, JOB_MODE_EVAL, NULL, 0);
	if (reader->request.trace != TRACE_NONE)
		pack_put(&reader->pack, JOB_TRACE, &reader->request.trace, 1);
	reader->request.evaluates = reader->has_eval;
	reader->request.named = reader->has_name;
	if (!reader->has_name && !has_script)
		pack_put(&reader->pack, JOB_NAME, REQUEST_DEFAULT_NAME,
			 strlen(REQUEST_DEFAULT_NAME));
	reader->request.wants_value = reader->has_eval || reader->has_entry ||
				      reader->has_outputs || reader->request.collects;
	if (reader->pack.failed)
		return error_set(reader->err, ERROR_SYSTEM,
				 "the job does not fit: more than %zu bytes or out of memory",
				 reader->pack.max);
	return 0;
}

int
request_json_read(const struct json_marks *marks, json_t *params, const struct config *config,
		  const struct tenant_terms *terms, struct run_request *ret_request,
		  struct error *err)
{
	struct request_reader reader = {.marks = marks, .terms = terms, .err = err};
	int r = 0;

	pack_init(&reader.pack, config_number(config, request_bytes_max) * REQUEST_BLOB_GROWTH +
				    REQUEST_BLOB_EXTRA);
	reader.request.limits = terms->limits_default;
	for (void *at = json_object_iter(params); at != NULL && r == 0;
	     at = json_object_iter_next(params, at))
		r = request_read_parameter(&reader, json_object_iter_key(at),
					   json_object_iter_value(at));
	if (r == 0)
		r = request_complete(&reader);
	if (r < 0) {
		pack_deinit(&reader.pack);
		run_request_deinit(&reader.request);
		return r;
	}
	/* It may wait for long: what it does not need goes back. */
	uint8_t *fitting = realloc(reader.pack.bytes, reader.pack.size);
	reader.request.blob = fitting != NULL ? fitting : reader.pack.bytes;
	reader.request.blob_bytes = reader.pack.size;
	*ret_request = reader.request;
	return 0;
}

int
request_json_put_program(struct run_request *request, bool is_code, const void *program,
			 size_t size, const char *name, struct error *err)
{
	struct pack pack;

	if (is_code && request->evaluates)
		return error_set(err, ERROR_INVALID,
				 "script: byte code does not go with mode \"eval\"");
	pack_init(&pack, request->blob_bytes + size + REQUEST_BLOB_EXTRA);
	pack_put(&pack, is_code ? JOB_CODE : JOB_SOURCE, program, size);
	if (!request->named)
		pack_put(&pack, JOB_NAME, *name ? name : REQUEST_DEFAULT_NAME,
			 strlen(*name ? name : REQUEST_DEFAULT_NAME));
	uint8_t *blob =
	    pack.failed ? NULL : realloc(request->blob, request->blob_bytes + pack.size);
	if (blob == NULL) {
		pack_deinit(&pack);
		return error_set(err, ERROR_SYSTEM, "script: out of memory");
	}
	memcpy(blob + request->blob_bytes, pack.bytes, pack.size);
	request->blob = blob;
	request->blob_bytes += pack.size;
	request->script[0] = '\0';
	request->named = true;
	pack_deinit(&pack);
	return 0;
}
