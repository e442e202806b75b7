/*
 * JSON: what our scan accepts, jansson parses, but for duplicate keys and NULs in keys; and what is
 * written of it again, the scan accepts.
 */
#include "fuzz.h"

#include "protocol/json_scan.h"
#include "protocol/json_value.h"

#define FUZZ_TEXT_BYTES_MAX 1048576u

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_marks marks;
	const char *text = (const char *)data;
	struct error err = ERROR_INIT;
	struct json_bigs bigs;
	struct text_buffer buffer;
	json_t *value = NULL;
	int scanned, parsed;

	if (marks.mark[0] == '\0')
		FUZZ_HOLDS(json_marks_init(&marks, &err) == 0);
	scanned = json_scan_request(text, size, FUZZ_TEXT_BYTES_MAX, &bigs, &err);
	if (scanned == 0)
		json_bigs_deinit(&bigs);
	else
		FUZZ_HOLDS(err.text[0] != '\0');
	/* A value for a reply is a text for a request, on one line. */
	if (json_scan_splice(text, size, FUZZ_TEXT_BYTES_MAX, &err) == 0)
		FUZZ_HOLDS(scanned == 0);
	parsed = json_value_parse(&marks, text, size, FUZZ_TEXT_BYTES_MAX, &value, &err);
	FUZZ_HOLDS(scanned == 0 || parsed < 0);
	if (parsed < 0)
		return 0;
	text_buffer_init(&buffer, FUZZ_TEXT_BYTES_MAX * 8);
	json_value_write(&marks, value, &buffer);
	FUZZ_HOLDS(!buffer.failed);
	FUZZ_HOLDS(json_scan_splice(buffer.bytes, buffer.size, buffer.size, &err) == 0);
	text_buffer_deinit(&buffer);
	json_decref(value);
	return 0;
}
