/*
 * Frees what a run_request owns. Making one from JSON is request_json.c's.
 */
#include "protocol/request.h"

#include <stdlib.h>
#include <string.h>

void
run_request_deinit(struct run_request *request)
{
	if (request == NULL)
		return;
	free(request->blob);
	free(request->stdin_bytes);
	free(request->tag);
	memset(request, 0, sizeof(*request));
}
