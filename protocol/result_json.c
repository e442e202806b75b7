/*
 * struct run_result to JSON text.
 *
 * Takes every byte field for hostile; only value, vars and trace are trusted to be JSON, since
 * json_scan has accepted them. Fails through the buffer's `failed` alone.
 */
#include "protocol/result_json.h"

#include <string.h>

static void
result_field(struct text_buffer *buffer, const char *name)
{
	if (buffer->size > 0 && buffer->bytes[buffer->size - 1] != '{')
		text_buffer_put(buffer, ",", 1);
	text_buffer_put(buffer, "\"", 1);
	text_buffer_put_text(buffer, name);
	text_buffer_put(buffer, "\":", 2);
}

static void
result_number(struct text_buffer *buffer, const char *name, uint64_t value)
{
	result_field(buffer, name);
	text_buffer_put_u64(buffer, value);
}

static void
result_text(struct text_buffer *buffer, const char *name, const struct bytes *text)
{
	result_field(buffer, name);
	text_buffer_json_lossy(buffer, text->data, text->size);
}

static void
result_flag(struct text_buffer *buffer, const char *name, bool value)
{
	result_field(buffer, name);
	text_buffer_put_text(buffer, value ? "true" : "false");
}

/* A number, or null when it is the value that means none. */
static void
result_code(struct text_buffer *buffer, const char *name, int value, int none)
{
	result_field(buffer, name);
	if (value == none)
		text_buffer_put_text(buffer, "null");
	else
		text_buffer_put_i64(buffer, value);
}

static void
result_raw(struct text_buffer *buffer, const char *name, const struct bytes *json,
	   const char *empty)
{
	result_field(buffer, name);
	if (json->size > 0)
		text_buffer_put(buffer, json->data, json->size);
	else
		text_buffer_put_text(buffer, empty);
}

static void
result_error(struct text_buffer *buffer, const struct run_result *result)
{
	result_field(buffer, "error");
	if (!result->has_error) {
		text_buffer_put_text(buffer, "null");
		return;
	}
	text_buffer_put(buffer, "{", 1);
	result_text(buffer, "type", &result->error_type);
	result_text(buffer, "message", &result->error_message);
	result_field(buffer, "traceback");
	text_buffer_put(buffer, "[", 1);
	for (size_t i = 0; i < result->frame_count; i++) {
		const struct run_frame *frame = &result->frames[i];

		text_buffer_put_text(buffer, i > 0 ? ",{" : "{");
		result_text(buffer, "file", &frame->file);
		result_number(buffer, "line", frame->line);
		result_text(buffer, "function", &frame->function);
		result_text(buffer, "text", &frame->text);
		text_buffer_put(buffer, "}", 1);
	}
	text_buffer_put(buffer, "]}", 2);
}

static void
result_warnings(struct text_buffer *buffer, const struct run_result *result)
{
	result_field(buffer, "warnings");
	text_buffer_put(buffer, "[", 1);
	for (size_t i = 0; i < result->warning_count; i++) {
		if (i > 0)
			text_buffer_put(buffer, ",", 1);
		text_buffer_json_lossy(buffer, result->warnings[i].data, result->warnings[i].size);
	}
	text_buffer_put(buffer, "]", 1);
}

void
result_json_write_events(const void *lines, size_t size, struct text_buffer *buffer)
{
	text_buffer_put(buffer, "[", 1);
	size = size > 0 ? size - 1 : 0; /* without the last line end */
	char *to = text_buffer_extend(buffer, size);
	if (to != NULL && size > 0) {
		memcpy(to, lines, size);
		for (char *end = to; (end = memchr(end, '\n', size - (size_t)(end - to))) != NULL;)
			*end = ',';
	}
	text_buffer_put(buffer, "]", 1);
}

/* Absent from the result of a job that asked for none. */
static void
result_files(struct text_buffer *buffer, const struct run_result *result)
{
	if (!result->collects)
		return;
	result_field(buffer, "files");
	text_buffer_put(buffer, "[", 1);
	for (size_t i = 0; i < result->file_count; i++) {
		const struct run_file *file = &result->files[i];
		const struct bytes *content = &file->content;
		bool text = text_buffer_is_text(content->data, content->size);

		text_buffer_put_text(buffer, i > 0 ? ",{" : "{");
		result_text(buffer, "name", &file->name);
		result_number(buffer, "bytes", content->size);
		result_field(buffer, text ? "content" : "base64");
		if (text)
			text_buffer_json_string(buffer, content->data, content->size);
		else
			text_buffer_json_base64(buffer, content->data, content->size);
		text_buffer_put(buffer, "}", 1);
	}
	text_buffer_put(buffer, "]", 1);
}

/* Absent from the result of a job that nobody traced. */
static void
result_trace(struct text_buffer *buffer, const struct run_result *result)
{
	if (result->has_trace) {
		result_field(buffer, "trace");
		result_json_write_events(result->trace.data, result->trace.size, buffer);
	}
	if (result->traced)
		result_flag(buffer, "trace_truncated", result->trace_truncated);
}

static void
result_usage(struct text_buffer *buffer, const struct run_usage *usage)
{
	result_field(buffer, "usage");
	text_buffer_put(buffer, "{", 1);
	result_number(buffer, "cpu_us", usage->cpu_us);
	result_number(buffer, "wall_us", usage->wall_us);
	result_number(buffer, "queue_us", usage->queue_us);
	result_number(buffer, "memory_peak_bytes", usage->memory_peak_bytes);
	result_number(buffer, "memory_baseline_bytes", usage->memory_baseline_bytes);
	result_number(buffer, "stdout_bytes", usage->stdout_bytes);
	result_number(buffer, "stderr_bytes", usage->stderr_bytes);
	result_number(buffer, "opcodes", usage->opcodes);
	result_number(buffer, "throttled_us", usage->throttled_us);
	text_buffer_put(buffer, "}", 1);
}

static void
result_word(struct text_buffer *buffer, const char *name, const char *word)
{
	result_field(buffer, name);
	text_buffer_json_string(buffer, word, strlen(word));
}

void
result_json_write(const struct run_result *result, struct text_buffer *buffer)
{
	text_buffer_put(buffer, "{", 1);
	result_word(buffer, "job", result->job);
	result_word(buffer, "status", status_name(result->status));
	result_word(buffer, "verdict", status_verdict(result->status));
	result_code(buffer, "exit_code", result->exit_code, -1);
	result_code(buffer, "signal", result->signal, 0);
	result_field(buffer, "stdout");
	text_buffer_json_bytes(buffer, result->out.data, result->out.size);
	result_field(buffer, "stderr");
	text_buffer_json_bytes(buffer, result->err.data, result->err.size);
	result_flag(buffer, "stdout_truncated", result->out_truncated);
	result_flag(buffer, "stderr_truncated", result->err_truncated);
	result_raw(buffer, "value", &result->value, "null");
	result_raw(buffer, "vars", &result->vars, "{}");
	result_error(buffer, result);
	result_warnings(buffer, result);
	result_files(buffer, result);
	result_trace(buffer, result);
	if (result->attempts > 0)
		result_number(buffer, "attempts", result->attempts);
	result_usage(buffer, &result->usage);
	result_word(buffer, "meter_id", result->meter_id);
	text_buffer_put(buffer, "}", 1);
}

void
result_json_write_output(const char *job, int stream, const void *bytes, size_t size,
			 struct text_buffer *buffer)
{
	text_buffer_put(buffer, "{", 1);
	result_word(buffer, "job", job);
	result_word(buffer, "stream", stream == 2 ? "stderr" : "stdout");
	result_field(buffer, "data");
	text_buffer_json_bytes(buffer, bytes, size);
	text_buffer_put(buffer, "}", 1);
}
