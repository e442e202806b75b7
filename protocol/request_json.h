/*
 * job.run's parameters to a struct run_request.
 */
#ifndef STINT_PROTOCOL_REQUEST_JSON_H
#define STINT_PROTOCOL_REQUEST_JSON_H

#include "protocol/config.h"
#include "protocol/error.h"
#include "protocol/json_value.h"
#include "protocol/request.h"
#include "protocol/tenant_terms.h"

/*
 * Check every parameter and pack the job. params may be NULL (none given).
 * ERROR_INVALID: a parameter is wrong (RPC_INVALID_PARAMS); the text names it. ERROR_LIMIT: a limit
 * is above the tenant's maximum (RPC_REASON_LIMIT_TOO_HIGH). ERROR_SYSTEM: no memory.
 * On success *ret_request is the caller's to deinit; on error it is untouched.
 */
int request_json_read(const struct json_marks *marks, json_t *params, const struct config *config,
		      const struct tenant_terms *terms, struct run_request *ret_request,
		      struct error *err);

/*
 * Put the program in whose id the request names: the source text, or with is_code a .pyc file. name
 * is shown where the request has none. ERROR_INVALID: it does not go with the request's mode;
 * ERROR_SYSTEM: no memory. On error the request is as it was.
 */
int request_json_put_program(struct run_request *request, bool is_code, const void *program,
			     size_t size, const char *name, struct error *err);

#endif
