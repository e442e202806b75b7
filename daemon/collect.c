/*
 * Reads what a dead worker left, all of it hostile: each word of the page once, lengths against
 * caps before a byte is allocated, the blob by pread into memory of our own, JSON texts by
 * json_scan before anybody repeats them. Never writes to the page, never follows an offset found in
 * it. Called by finish.c, on the loop when there is little to read and else on the pool thread.
 * What is wrong with the bytes is a fact for the verdict; only a lack of memory or a failed read is
 * an error of ours.
 */
#include "daemon/collect.h"

#include "daemon/output_read.h"
#include "protocol/base_sys.h"
#include "protocol/file_name.h"
#include "protocol/json_scan.h"
#include "protocol/pack.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where the fields of a blob go while it is read. */
struct collect_reader {
	struct run_result *result;
	const struct limits *limits;
	uint64_t value_bytes; /* of value and vars together */
	bool collects;        /* files were asked for */
	uint64_t file_bytes;  /* of their contents together */
	bool no_memory;
	const char *fault; /* static: why the blob is refused */
};

static bool
collect_refuse(struct collect_reader *reader, const char *fault)
{
	reader->fault = fault;
	return false;
}

static bool
collect_copy(struct collect_reader *reader, const struct pack_field *field, struct bytes *ret_bytes)
{
	uint8_t *data = malloc(field->length + 1u);
	if (!data) {
		reader->no_memory = true;
		return collect_refuse(reader, "no memory");
	}
	memcpy(data, field->bytes, field->length);
	data[field->length] = 0;
	ret_bytes->data = data;
	ret_bytes->size = field->length;
	return true;
}

/* value or vars: JSON, once, within value_bytes. */
static bool
collect_json(struct collect_reader *reader, const struct pack_field *field, struct bytes *ret_bytes)
{
	if (ret_bytes->data)
		return collect_refuse(reader, "a value twice");
	reader->value_bytes += field->length;
	if (reader->value_bytes > reader->limits->value_bytes)
		return collect_refuse(reader, "a value above its cap");
	if (json_scan_splice(field->bytes, field->length, field->length, NULL) < 0)
		return collect_refuse(reader, "a value that is not JSON");
	if (field->tag == RESULT_VARS && !json_scan_is_object(field->bytes, field->length))
		return collect_refuse(reader, "variables that are no object");
	return collect_copy(reader, field, ret_bytes);
}

static bool
collect_text(struct collect_reader *reader, const struct pack_field *field, struct bytes *ret_bytes)
{
	if (ret_bytes->data)
		return collect_refuse(reader, "a text twice");
	if (field->length > ERROR_TEXT_BYTES_MAX)
		return collect_refuse(reader, "a text above its cap");
	return collect_copy(reader, field, ret_bytes);
}

static bool
collect_frame(struct collect_reader *reader, const struct pack_field *field)
{
	struct run_result *result = reader->result;
	if (field->tag == RESULT_FRAME_FILE) {
		if (result->frame_count == TRACEBACK_FRAMES_MAX)
			return collect_refuse(reader, "too many frames");
		return collect_text(reader, field, &result->frames[result->frame_count++].file);
	}
	if (result->frame_count == 0)
		return collect_refuse(reader, "a part of no frame");
	struct run_frame *frame = &result->frames[result->frame_count - 1];
	if (field->tag == RESULT_FRAME_FUNCTION)
		return collect_text(reader, field, &frame->function);
	if (field->tag == RESULT_FRAME_TEXT)
		return collect_text(reader, field, &frame->text);
	if (field->length != sizeof(frame->line))
		return collect_refuse(reader, "a line number of a wrong size");
	frame->line = (uint32_t)field->bytes[0] | (uint32_t)field->bytes[1] << 8 |
		      (uint32_t)field->bytes[2] << 16 | (uint32_t)field->bytes[3] << 24;
	return true;
}

/* A name that may be returned, behind the one before it; then its content. */
static bool
collect_file(struct collect_reader *reader, const struct pack_field *field)
{
	struct run_result *result = reader->result;
	struct run_file *last =
	    result->file_count > 0 ? &result->files[result->file_count - 1] : NULL;
	if (!reader->collects)
		return collect_refuse(reader, "a file that nobody asked for");
	if (field->tag == RESULT_FILE_BYTES) {
		if (!last || last->content.data)
			return collect_refuse(reader, "the content of no file");
		reader->file_bytes += field->length;
		if (reader->file_bytes > reader->limits->collected_bytes)
			return collect_refuse(reader, "files above their cap");
		return collect_copy(reader, field, &last->content);
	}
	if (last && !last->content.data)
		return collect_refuse(reader, "a file without content");
	if (result->file_count == FILES_MAX)
		return collect_refuse(reader, "too many files");
	if (file_name_fault(field->bytes, field->length) != NULL)
		return collect_refuse(reader, "a file's name that is none");
	if (last &&
	    file_name_compare(last->name.data, last->name.size, field->bytes, field->length) >= 0)
		return collect_refuse(reader, "files out of order");
	if (!result->files)
		result->files = calloc(FILES_MAX, sizeof(*result->files));
	if (!result->files) {
		reader->no_memory = true;
		return collect_refuse(reader, "no memory");
	}
	return collect_copy(reader, field, &result->files[result->file_count++].name);
}

static bool
collect_field(struct collect_reader *reader, const struct pack_field *field)
{
	struct run_result *result = reader->result;
	switch (field->tag) {
	case RESULT_VALUE:
		return collect_json(reader, field, &result->value);
	case RESULT_VARS:
		return collect_json(reader, field, &result->vars);
	case RESULT_ERROR_TYPE:
		result->has_error = true;
		return collect_text(reader, field, &result->error_type);
	case RESULT_ERROR_MESSAGE:
		result->has_error = true;
		return collect_text(reader, field, &result->error_message);
	case RESULT_FRAME_FILE:
	case RESULT_FRAME_LINE:
	case RESULT_FRAME_FUNCTION:
	case RESULT_FRAME_TEXT:
		return collect_frame(reader, field);
	case RESULT_WARNING:
		if (result->warning_count == WARNINGS_MAX)
			return collect_refuse(reader, "too many warnings");
		return collect_text(reader, field, &result->warnings[result->warning_count++]);
	case RESULT_FILE_NAME:
	case RESULT_FILE_BYTES:
		return collect_file(reader, field);
	default:
		return collect_refuse(reader, "a field that does not exist");
	}
}

/* Read all fields into an own result; 0, or why not. */
static const char *
collect_fields(const void *blob, size_t size, const struct limits *limits, bool collects,
	       struct run_result *result, bool *ret_no_memory)
{
	struct collect_reader reader = {.result = result, .limits = limits, .collects = collects};
	struct pack_reader pack;
	struct pack_field field;
	int code;

	pack_reader_init(&pack, blob, size);
	while ((code = pack_next(&pack, &field, NULL)) == 1) {
		if (!collect_field(&reader, &field))
			break;
	}
	if (code < 0)
		reader.fault = "fields that do not fit";
	else if (!reader.fault && result->file_count > 0 &&
		 !result->files[result->file_count - 1].content.data)
		reader.fault = "a file without content";
	*ret_no_memory = reader.no_memory;
	return reader.fault;
}

/* Take over what collect_fields filled in. */
static void
collect_merge(struct run_result *result, const struct run_result *part)
{
	result->value = part->value;
	result->vars = part->vars;
	result->has_error = part->has_error;
	result->error_type = part->error_type;
	result->error_message = part->error_message;
	memcpy(result->frames, part->frames, sizeof(part->frames));
	result->frame_count = part->frame_count;
	memcpy(result->warnings, part->warnings, sizeof(part->warnings));
	result->warning_count = part->warning_count;
	result->files = part->files;
	result->file_count = part->file_count;
}

enum verdict_blob
collect_blob(const void *blob, size_t size, bool ended, const struct limits *limits, bool collects,
	     struct run_result *result, const char **ret_fault)
{
	struct run_result part;
	bool no_memory = false;
	memset(&part, 0, sizeof(part));
	const char *fault = collect_fields(blob, size, limits, collects, &part, &no_memory);
	if (fault) {
		run_result_deinit(&part);
		*ret_fault = fault;
		return ended && !no_memory ? VERDICT_BLOB_HOSTILE : VERDICT_BLOB_PARTIAL;
	}
	collect_merge(result, &part);
	return VERDICT_BLOB_COMPLETE;
}

static void
collect_page_blob(const struct collect_input *input, struct run_result *result,
		  struct collect_facts *facts)
{
	uint64_t size = input->page->result_bytes;
	bool ended = facts->phase == PHASE_ENDED;
	if (size == 0) {
		facts->blob = ended ? VERDICT_BLOB_COMPLETE : VERDICT_BLOB_NONE;
		return;
	}
	uint64_t cap = input->limits.value_bytes + COLLECT_EXTRA_BYTES_MAX;
	if (input->collects)
		cap += input->limits.collected_bytes;
	if (size > RESULT_BYTES_MAX || size > cap) {
		facts->fault = "a result above its cap";
		facts->blob = ended ? VERDICT_BLOB_HOSTILE : VERDICT_BLOB_PARTIAL;
		return;
	}
	uint8_t *blob = malloc(size);
	if (!blob) {
		facts->failed = true;
		(void)error_errno(&facts->err, "memory for a result");
		return;
	}
	if (base_pread_full(input->page_fd, blob, size, PAGE_RESULT_OFFSET, &facts->err) < 0)
		facts->failed = true;
	else
		facts->blob = collect_blob(blob, size, ended, &input->limits, input->collects,
					   result, &facts->fault);
	free(blob);
}

static void
collect_output(const struct collect_input *input, enum page_stream stream, struct bytes *ret_bytes,
	       bool *ret_truncated, struct collect_facts *facts)
{
	bool out = stream == PAGE_STREAM_STDOUT;
	const struct page_stage *stage = &input->page->stages[stream];
	uint64_t cap = out ? input->limits.stdout_bytes : input->limits.stderr_bytes;
	if (output_read(out ? input->out_fd : input->err_fd, stage, input->page_fd, stream,
			limits_output_base(&input->limits, cap), cap, ret_bytes, ret_truncated,
			&facts->err) < 0)
		facts->failed = true;
	else if (*ret_truncated)
		facts->output_over = true;
}

static void
collect_trace(const struct collect_input *input, struct run_result *result,
	      struct collect_facts *facts)
{
	struct trace_cursor cursor = input->trace;
	if (trace_read(input->page_fd, input->page, input->limits.trace_events, TRACE_BYTES_MAX,
		       &cursor, &result->trace, &facts->err) < 0)
		facts->failed = true;
	result->traced = true;
	result->trace_truncated = trace_read_truncated(input->page, &cursor);
}

/* Of code that can be kept; 0: none. CODE_BYTES_NEVER stays. */
static uint64_t
collect_code_size(const struct collect_input *input)
{
	struct worker_code head = {0};
	if (!input->leaves_code ||
	    base_pread_full(input->code_fd, &head, sizeof(head), 0, NULL) < 0)
		return 0;
	return head.bytes <= CODE_BYTES_MAX || head.bytes == CODE_BYTES_NEVER ? head.bytes : 0;
}

static void
collect_code(const struct collect_input *input, struct collect_facts *facts)
{
	uint64_t size = collect_code_size(input);
	facts->code_never = size == CODE_BYTES_NEVER;
	if (size == 0 || facts->code_never)
		return;
	facts->code = malloc(size);
	if (facts->code &&
	    base_pread_full(input->code_fd, facts->code, size, CODE_OFFSET, NULL) == 0) {
		facts->code_size = size;
		return;
	}
	free(facts->code);
	facts->code = NULL;
}

static uint64_t
collect_file_size(int fd, uint64_t base)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || (uint64_t)status.st_size < base)
		return 0;
	return (uint64_t)status.st_size - base;
}

uint64_t
collect_size(const struct collect_input *input)
{
	uint64_t size = input->page->result_bytes;
	size = size < RESULT_BYTES_MAX ? size : RESULT_BYTES_MAX;
	size += collect_file_size(input->out_fd,
				  limits_output_base(&input->limits, input->limits.stdout_bytes));
	size += collect_file_size(input->err_fd,
				  limits_output_base(&input->limits, input->limits.stderr_bytes));
	if (input->traced)
		size += trace_read_size(input->page, &input->trace);
	uint64_t code = collect_code_size(input);
	return code == CODE_BYTES_NEVER ? size : size + code;
}

void
collect_run(const struct collect_input *input, struct run_result *result,
	    struct collect_facts *ret_facts)
{
	memset(result, 0, sizeof(*result));
	memset(ret_facts, 0, sizeof(*ret_facts));
	result->collects = input->collects;
	if (input->page_err) {
		ret_facts->failed = true;
		ret_facts->err = *input->page_err;
		return;
	}
	ret_facts->phase = input->page->phase;
	ret_facts->reason = input->page->reason;
	collect_output(input, PAGE_STREAM_STDOUT, &result->out, &result->out_truncated, ret_facts);
	collect_output(input, PAGE_STREAM_STDERR, &result->err, &result->err_truncated, ret_facts);
	collect_page_blob(input, result, ret_facts);
	if (input->traced)
		collect_trace(input, result, ret_facts);
	collect_code(input, ret_facts);
	result->usage.stdout_bytes = result->out.size;
	result->usage.stderr_bytes = result->err.size;
}
