/*
 * One event of a trace as a line of JSON, in memory of a fixed size. What does not fit any more is
 * left out and `over` is set: the line is of no use then.
 */
#ifndef STINT_WORKER_TRACE_TEXT_H
#define STINT_WORKER_TRACE_TEXT_H

#include "protocol/worker_page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_text {
	char bytes[TRACE_EVENT_BYTES_MAX];
	size_t size;
	bool over;
};

void trace_text_init(struct trace_text *text);
/* JSON as it is. */
void trace_text_put(struct trace_text *text, const char *json);
/* A string with its quotes; what is not UTF-8 becomes U+FFFD. */
void trace_text_string(struct trace_text *text, const char *bytes, size_t size);
/* ,"name": and then a number, or null for a negative one. */
void trace_text_number(struct trace_text *text, const char *name, int64_t number);
/* ,"name":"bytes" */
void trace_text_member(struct trace_text *text, const char *name, const char *bytes, size_t size);

#endif
