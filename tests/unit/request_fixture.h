/*
 * What the tests of request_json and request_blob share: marks, a configuration, reading a text.
 */
#ifndef STINT_TESTS_UNIT_REQUEST_FIXTURE_H
#define STINT_TESTS_UNIT_REQUEST_FIXTURE_H

#include "protocol/pack.h"
#include "protocol/request_json.h"
#include "protocol/worker_abi.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static struct json_marks marks;
static struct config config;

static inline int
request_group_setup(void **state)
{
	config_init(&config);
	return json_marks_init(&marks, NULL);
}

static inline int
request_group_teardown(void **state)
{
	config_deinit(&config);
	return 0;
}

static inline int
request_read(const char *text, struct run_request *ret_request, struct error *err)
{
	struct tenant_terms terms;
	json_t *params = NULL;
	int r = json_value_parse(&marks, text, strlen(text), 1 << 20, &params, err);

	if (r < 0)
		fail_msg("%s: %s", text, err->text);
	tenant_terms_init(&terms, "test", &config.limits_default, &config.limits_max);
	r = request_json_read(&marks, params, &config, &terms, ret_request, err);
	json_decref(params);
	return r;
}

static inline void
assert_request_refused(const char *text, int code, const char *reason)
{
	struct run_request request;
	struct error err = ERROR_INIT;
	int r;

	memset(&request, 0x5a, sizeof(request));
	r = request_read(text, &request, &err);
	if (r != code || strstr(err.text, reason) == NULL)
		fail_msg("%s: %d \"%s\"", text, r, err.text);
	assert_null(strstr(err.text, marks.mark));
	assert_int_equal(request.priority, 0x5a); /* untouched */
}

/* The n-th field of that tag in the blob must hold these bytes. */
static inline void
assert_request_field(const struct run_request *request, uint32_t tag, size_t n, const char *bytes,
		     size_t size)
{
	struct pack_reader reader;
	struct pack_field field;

	pack_reader_init(&reader, request->blob, request->blob_bytes);
	while (pack_next(&reader, &field, NULL) == 1) {
		if (field.tag != tag || n-- > 0)
			continue;
		assert_int_equal(field.length, size);
		assert_memory_equal(field.bytes, bytes, size);
		return;
	}
	fail_msg("field %u is not there", tag);
}

static inline size_t
request_field_count(const struct run_request *request, uint32_t tag)
{
	struct pack_reader reader;
	struct pack_field field;
	size_t count = 0;

	pack_reader_init(&reader, request->blob, request->blob_bytes);
	while (pack_next(&reader, &field, NULL) == 1)
		count += field.tag == tag;
	return count;
}

#endif
