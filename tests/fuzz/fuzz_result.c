/*
 * A result blob alone, in memory: faster than fuzz_worker, and so deeper into the fields.
 */
#include "fuzz.h"

#include "daemon/collect.h"
#include "protocol/json_scan.h"
#include "protocol/result_json.h"

#include <string.h>

#define FUZZ_REPLY_BYTES_MAX (64u << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_result result;
	struct limits limits;
	struct text_buffer text;
	struct error err = ERROR_INIT;
	const char *fault = NULL;
	enum verdict_blob blob;

	if (size < 2)
		return 0;
	limits_defaults(&limits);
	limits.value_bytes = data[1] * 4u + 2;
	memset(&result, 0, sizeof(result));
	result.collects = data[0] & 2;
	blob = collect_blob(data + 2, size - 2, data[0] & 1, &limits, result.collects, &result,
			    &fault);
	FUZZ_HOLDS((blob == VERDICT_BLOB_HOSTILE || blob == VERDICT_BLOB_PARTIAL) ==
		   (fault != NULL));
	if (blob != VERDICT_BLOB_COMPLETE)
		FUZZ_HOLDS(!result.has_error && result.frame_count == 0 && result.value.size == 0 &&
			   result.vars.size == 0 && result.warning_count == 0 &&
			   result.file_count == 0);
	FUZZ_HOLDS(result.value.size + result.vars.size <= limits.value_bytes);
	text_buffer_init(&text, FUZZ_REPLY_BYTES_MAX);
	result_json_write(&result, &text);
	FUZZ_HOLDS(!text.failed);
	FUZZ_HOLDS(json_scan_splice(text.bytes, text.size, text.size, &err) == 0);
	text_buffer_deinit(&text);
	run_result_deinit(&result);
	return 0;
}
