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
