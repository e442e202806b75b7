/*
 * Frees what a run_result owns, also a half-filled one. Writing it as JSON is result_json.c's.
 */
#include "protocol/run_result.h"

#include <stdlib.h>
#include <string.h>

void
run_result_deinit(struct run_result *result)
{
	if (result == NULL)
		return;
	free(result->out.data);
	free(result->err.data);
	free(result->value.data);
	free(result->vars.data);
	free(result->trace.data);
	free(result->error_type.data);
	free(result->error_message.data);
	for (size_t i = 0; i < TRACEBACK_FRAMES_MAX; i++) {
		free(result->frames[i].file.data);
		free(result->frames[i].function.data);
		free(result->frames[i].text.data);
	}
	for (size_t i = 0; i < WARNINGS_MAX; i++)
		free(result->warnings[i].data);
	for (size_t i = 0; i < result->file_count; i++) {
		free(result->files[i].name.data);
		free(result->files[i].content.data);
	}
	free(result->files);
	memset(result, 0, sizeof(*result));
}

static void
run_result_drop(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){NULL, 0};
}

void
run_result_leave_out(struct run_result *result, const char *why)
{
	result->out_truncated = result->out_truncated || result->out.size > 0;
	result->err_truncated = result->err_truncated || result->err.size > 0;
	result->trace_truncated = result->trace_truncated || result->trace.size > 0;
	run_result_drop(&result->out);
	run_result_drop(&result->err);
	run_result_drop(&result->value);
	run_result_drop(&result->vars);
	run_result_drop(&result->trace);
	for (size_t i = 0; i < result->file_count; i++) {
		run_result_drop(&result->files[i].name);
		run_result_drop(&result->files[i].content);
	}
	free(result->files);
	result->files = NULL;
	result->file_count = 0;
	if (result->warning_count == WARNINGS_MAX)
		run_result_drop(&result->warnings[--result->warning_count]);
	struct bytes *warning = &result->warnings[result->warning_count++];
	*warning = (struct bytes){(uint8_t *)strdup(why), strlen(why)};
	if (warning->data == NULL)
		warning->size = 0;
}
