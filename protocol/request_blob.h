/*
 * Internal to request_json: the parameters that become fields of the job blob.
 */
#ifndef STINT_PROTOCOL_REQUEST_BLOB_H
#define STINT_PROTOCOL_REQUEST_BLOB_H

#include "protocol/tenant_terms.h"
#include "protocol/json_value.h"
#include "protocol/pack.h"
#include "protocol/request.h"

/* One reading of job.run's parameters. */
struct request_reader {
	const struct json_marks *marks;      /* borrowed */
	const struct tenant_terms *terms;    /* borrowed */
	struct error *err;                   /* borrowed, may be NULL */
	struct pack pack;                    /* owned until the end */
	struct run_request request;          /* owned until the end */
	bool has_source, has_code, has_name; /* which parameters came */
	bool has_eval, has_entry, has_outputs, has_files;
	uint64_t file_bytes, file_inodes;    /* what `files` takes of the scratch directory */
};

/* "name: a number; must be <want>" as ERROR_INVALID. */
int request_refuse_type(const struct request_reader *reader, const char *name, const json_t *value,
			const char *want);
/* A string; big integers are none. */
int request_string(const struct request_reader *reader, const char *name, const json_t *value,
		   const char **ret_bytes, size_t *ret_size);
/* {"base64": "..."} decoded; *ret_bytes is the caller's to free. */
int request_base64(const struct request_reader *reader, const char *name, const json_t *text,
		   uint8_t **ret_bytes, size_t *ret_size);

/* Handlers of one parameter each. */
int request_blob_source(struct request_reader *reader, json_t *value);
int request_blob_code(struct request_reader *reader, json_t *value);
int request_blob_args(struct request_reader *reader, json_t *value);
int request_blob_inputs(struct request_reader *reader, json_t *value);
int request_blob_outputs(struct request_reader *reader, json_t *value);
int request_blob_entry(struct request_reader *reader, json_t *value);
int request_blob_modules(struct request_reader *reader, json_t *value);
/* request_files.c */
int request_files_read(struct request_reader *reader, json_t *value);
int request_files_collect(struct request_reader *reader, json_t *value);
/* Whether `files` fits into the limits, and none of this is asked for without scratch_bytes. */
int request_files_complete(struct request_reader *reader);

#endif
