/*
 * Prints trace events for people. Where the file, function or thread changes a line says so first.
 *
 * Called by client_run.c for each job.trace notification. The events' texts are a tenant's:
 * controls become '?' so that they cannot steer the terminal. A member that is missing prints as
 * nothing.
 */
#define _GNU_SOURCE
#include "client/client_trace.h"
#include "client/client_print.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *
client_trace_text(const json_t *event, const char *name)
{
	const char *text = json_string_value(json_object_get(event, name));

	return text != NULL ? text : "";
}

/* A tenant's text; a line stays a line, and nothing steers the terminal. */
static void
client_trace_put(FILE *out, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		(void)fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void
client_trace_place(struct client_trace *trace, const json_t *event, FILE *out)
{
	char place[CLIENT_TRACE_PLACE_BYTES], thread[32] = "";
	json_int_t number = json_integer_value(json_object_get(event, "thread"));

	if (number > 0)
		(void)snprintf(thread, sizeof(thread), " (thread %lld)", (long long)number);
	(void)snprintf(place, sizeof(place), "%.200s: %.200s%s", client_trace_text(event, "file"),
		       client_trace_text(event, "function"), thread);
	if (strcmp(place, trace->place) == 0)
		return;
	client_trace_put(out, place);
	(void)fputc('\n', out);
	memcpy(trace->place, place, sizeof(place));
}

static void
client_trace_line(const json_t *event, FILE *out)
{
	const json_t *line = json_object_get(event, "line");

	if (json_is_integer(line))
		(void)fprintf(out, "L. %-3lld ", (long long)json_integer_value(line));
	else
		(void)fputs("L. -   ", out);
}

static void
client_trace_opcode(const json_t *event, FILE *out)
{
	const json_t *values = json_object_get(event, "values"), *value;
	const char *arg = client_trace_text(event, "arg");
	size_t index;

	(void)fprintf(out,
		      "@%3lld: ", (long long)json_integer_value(json_object_get(event, "offset")));
	client_trace_put(out, client_trace_text(event, "opname"));
	json_array_foreach(values, index, value)
	{
		(void)fputs(index > 0 ? ", " : " (", out);
		client_trace_put(out, json_string_value(value));
	}
	(void)fputs(json_array_size(values) > 0 ? ")" : "", out);
	(void)fputs(arg[0] != '\0' ? " " : "", out);
	client_trace_put(out, arg);
}

static void
client_trace_call(const json_t *event, FILE *out)
{
	json_int_t depth = json_integer_value(json_object_get(event, "depth"));
	const json_t *value = json_object_get(event, "value");

	for (json_int_t i = 0; i < depth && i < 40; i++)
		(void)fputs("  ", out);
	client_trace_put(out, client_trace_text(event, "event"));
	(void)fputc(' ', out);
	client_trace_put(out, client_trace_text(event, "function"));
	if (json_is_true(json_object_get(event, "raised")))
		(void)fputs(" by an exception", out);
	(void)fputs(json_is_string(value) ? " " : "", out);
	client_trace_put(out, json_string_value(value));
}

static void
client_trace_event(struct client_trace *trace, const json_t *event, FILE *out)
{
	const char *kind = client_trace_text(event, "event");

	client_trace_place(trace, event, out);
	client_trace_line(event, out);
	if (strcmp(kind, "opcode") == 0)
		client_trace_opcode(event, out);
	else if (json_object_get(event, "depth") != NULL)
		client_trace_call(event, out);
	else
		client_trace_put(out, kind);
	(void)fputc('\n', out);
}

void
client_trace_events(struct client_trace *trace, struct client_json events)
{
	json_t *array = json_loadb(events.at, events.size, JSON_ALLOW_NUL, NULL), *event;
	char *text = NULL;
	size_t size = 0, index;
	FILE *out = open_memstream(&text, &size);

	if (array != NULL && out != NULL) {
		json_array_foreach(array, index, event)
		{
			client_trace_event(trace, event, out);
		}
	}
	json_decref(array);
	if (out == NULL || fclose(out) != 0)
		return;
	client_print_bytes(STDERR_FILENO, text, size);
	free(text);
}
