/*
 * A job's result as the JSON object of the client protocol.
 */
#ifndef STINT_PROTOCOL_RESULT_JSON_H
#define STINT_PROTOCOL_RESULT_JSON_H

#include "protocol/run_result.h"
#include "protocol/text_buffer.h"

/* Append the object. stdout and stderr that are not UTF-8 come as {"base64":...}; texts of errors,
 * frames and warnings get U+FFFD where they are not. value, vars and trace are put in as they
 * are. */
void result_json_write(const struct run_result *result, struct text_buffer *buffer);
/* Events of a trace, a line end after each, as a JSON array. */
void result_json_write_events(const void *lines, size_t size, struct text_buffer *buffer);
/* The inside of a job.output notification's params: {"job":...,"stream":"stdout","data":...}. */
void result_json_write_output(const char *job, int stream, const void *bytes, size_t size,
			      struct text_buffer *buffer);

#endif
