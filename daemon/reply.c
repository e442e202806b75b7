/*
 * Results and streamed output on their way to the client.
 *
 * A result is written as one JSON line, on the loop when it is short and on the pool thread when
 * not, and so is any other answer that may be long; the request stays in work until its line is in
 * the outbox. A request that is no longer in work has lost its client: the result is dropped.
 * Streamed output keeps back an unfinished UTF-8 sequence until the next piece, or until the
 * result. It never follows a pointer of a connection and never judges a job. Called by daemon.c for
 * the engine, and by method_job.c. A result that cannot be written (no memory) is answered with an
 * internal error.
 */
#define _GNU_SOURCE
#include "daemon/reply.h"

#include "daemon/json_members.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/result_json.h"

#include <stdlib.h>
#include <string.h>

/* A result line: every byte may become six (\u0000), and there are caps on all of its parts. */
#define REPLY_LINE_BYTES_MAX (2048ull << 20)

struct reply_work {
	uv_work_t work;
	struct reply *reply; /* borrowed */
	uint64_t ticket;
	char *id; /* owned copy */
	struct reply_source source;
	char *line; /* owned, or NULL */
	size_t size;
};

/* A job's result on its way. */
struct reply_result {
	struct reply *reply;      /* borrowed */
	struct run_result result; /* owned */
	uint64_t held_bytes;
};

void
reply_init(struct reply *ret_reply, uv_loop_t *loop, struct inwork *inwork, struct outbox *outbox)
{
	memset(ret_reply, 0, sizeof(*ret_reply));
	ret_reply->loop = loop;
	ret_reply->inwork = inwork;
	ret_reply->outbox = outbox;
}

/* The answer's line; any thread. */
static char *
write_line(const char *id, const struct reply_source *source, size_t *ret_size)
{
	struct text_buffer text;
	text_buffer_init(&text, REPLY_LINE_BYTES_MAX);
	jsonrpc_write_result(&text, id, strlen(id));
	source->write(source->what, &text);
	jsonrpc_write_end(&text);
	if (text.failed) {
		struct rpc_error fault;
		text_buffer_clear(&text);
		jsonrpc_error_code(&fault, RPC_INTERNAL_ERROR, "the result cannot be written");
		jsonrpc_write_error(&text, id, strlen(id), &fault);
	}
	char *line = text_buffer_steal(&text, ret_size);
	text_buffer_deinit(&text);
	return line;
}

static void
answer(struct reply *reply, struct inwork_request *request, char *line, size_t size)
{
	uint64_t session = request->client->session;
	inwork_remove(reply->inwork, &request);
	if (!check_failed(line != NULL))
		outbox_put(reply->outbox, session, line, size);
}

void
reply_text(struct reply *reply, uint64_t ticket, const char *text, size_t size)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	struct text_buffer line;
	if (request == NULL)
		return;
	text_buffer_init(&line, REPLY_LINE_BYTES_MAX);
	jsonrpc_write_result(&line, request->id, strlen(request->id));
	text_buffer_put(&line, text, size);
	jsonrpc_write_end(&line);
	char *bytes = text_buffer_steal(&line, &size);
	text_buffer_deinit(&line);
	answer(reply, request, bytes, size);
}

void
reply_fault(struct reply *reply, uint64_t ticket, const struct rpc_error *fault)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	struct text_buffer line;
	size_t size = 0;
	if (request == NULL)
		return;
	text_buffer_init(&line, REPLY_PIECE_BYTES_MAX);
	jsonrpc_write_error(&line, request->id, strlen(request->id), fault);
	char *bytes = text_buffer_steal(&line, &size);
	text_buffer_deinit(&line);
	answer(reply, request, bytes, size);
}

static void
write_off_loop(uv_work_t *work)
{
	struct reply_work *w = work->data;
	w->line = write_line(w->id, &w->source, &w->size);
}

static void
on_written(uv_work_t *work, int status)
{
	struct reply_work *w = work->data;
	struct inwork_request *request = inwork_find(w->reply->inwork, w->ticket);
	(void)status;
	w->reply->writing--;
	if (request != NULL)
		answer(w->reply, request, w->line, w->size);
	else
		free(w->line);
	w->source.done(w->source.what);
	free(w->id);
	free(w);
}

void
reply_written(struct reply *reply, uint64_t ticket, const struct reply_source *source)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	if (request == NULL || source->bytes <= REPLY_INLINE_BYTES_MAX) {
		size_t size = 0;
		if (request != NULL) {
			char *line = write_line(request->id, source, &size);
			answer(reply, request, line, size);
		}
		source->done(source->what);
		return;
	}
	struct reply_work *w = calloc(1, sizeof(*w));
	require(w != NULL);
	w->work.data = w;
	w->reply = reply;
	w->ticket = ticket;
	w->id = strdup(request->id);
	require(w->id != NULL);
	w->source = *source;
	reply->writing++;
	require(uv_queue_work(reply->loop, &w->work, write_off_loop, on_written) == 0);
}

/* A notification's params begin the same for every kind. */
static struct json_members
begin_notification(struct text_buffer *text, const char *method,
		   const struct inwork_request *request)
{
	text_buffer_init(text, REPLY_PIECE_BYTES_MAX * 8);
	jsonrpc_write_notification(text, method);
	struct json_members params = json_members_begin(text);
	json_members_text(&params, "job", request->job);
	json_members_name(&params, "id");
	text_buffer_put_text(text, request->id);
	return params;
}

static void
end_notification(struct outbox *outbox, const struct inwork_request *request,
		 struct json_members *params)
{
	size_t size;
	json_members_end(params);
	jsonrpc_write_end(params->text);
	char *line = text_buffer_steal(params->text, &size);
	if (!check_failed(line != NULL))
		outbox_put(outbox, request->client->session, line, size);
	text_buffer_deinit(params->text);
}

void
reply_queued(struct outbox *outbox, const struct inwork_request *request)
{
	struct text_buffer text;
	struct json_members params = begin_notification(&text, "job.progress", request);
	json_members_text(&params, "state", "queued");
	end_notification(outbox, request, &params);
}

void
reply_progress(struct reply *reply, uint64_t ticket, const struct engine_job_status *status)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	struct text_buffer text;
	if (request == NULL || !request->stream)
		return;
	struct json_members params = begin_notification(&text, "job.progress", request);
	json_members_text(&params, "state", status->state);
	json_members_u64(&params, "wall_us", status->wall_us);
	json_members_u64(&params, "cpu_us", status->cpu_us);
	json_members_u64(&params, "opcodes", status->opcodes);
	end_notification(reply->outbox, request, &params);
}

static void
put_piece(struct reply *reply, const struct inwork_request *request, int stream, const void *bytes,
	  size_t size)
{
	if (size == 0)
		return;
	struct text_buffer text;
	struct json_members params = begin_notification(&text, "job.output", request);
	json_members_text(&params, "stream", stream == 1 ? "stdout" : "stderr");
	json_members_name(&params, "data");
	text_buffer_json_bytes(&text, bytes, size);
	end_notification(reply->outbox, request, &params);
}

/* What was kept back of both streams; no more comes. */
static void
put_tails(struct reply *reply, struct inwork_request *request)
{
	for (int stream = 1; stream <= 2; stream++) {
		struct utf8_tail *tail = &request->tails[stream - 1];
		put_piece(reply, request, stream, tail->bytes, tail->size);
		tail->size = 0;
	}
}

void
reply_output(struct reply *reply, uint64_t ticket, int stream, const void *bytes, size_t size)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	require(stream == 1 || stream == 2);
	if (request == NULL || !request->stream)
		return;
	struct utf8_tail *tail = &request->tails[stream - 1];
	const uint8_t *at = bytes;
	uint8_t *joined = malloc(sizeof(tail->bytes) + REPLY_PIECE_BYTES_MAX);
	require(joined != NULL);
	while (size > 0) {
		size_t part = size < REPLY_PIECE_BYTES_MAX ? size : REPLY_PIECE_BYTES_MAX;
		memcpy(joined, tail->bytes, tail->size);
		memcpy(joined + tail->size, at, part);
		size_t whole = tail->size + part;
		size_t open = utf8_tail_open_bytes(joined, whole);
		memcpy(tail->bytes, joined + whole - open, open);
		tail->size = (uint8_t)open;
		put_piece(reply, request, stream, joined, whole - open);
		at += part;
		size -= part;
	}
	free(joined);
}

void
reply_trace(struct reply *reply, uint64_t ticket, const void *lines, size_t size)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	const char *at = lines;
	if (request == NULL || !request->stream)
		return;
	while (size > 0) {
		size_t part = size < REPLY_PIECE_BYTES_MAX ? size : REPLY_PIECE_BYTES_MAX;
		const char *end = memrchr(at, '\n', part);
		require(end != NULL);
		part = (size_t)(end - at) + 1;
		struct text_buffer text;
		struct json_members params = begin_notification(&text, "job.trace", request);
		json_members_name(&params, "events");
		result_json_write_events(at, part, &text);
		end_notification(reply->outbox, request, &params);
		at += part;
		size -= part;
	}
}

static size_t
bytes_to_write(const struct run_result *result)
{
	size_t files = 0;
	for (size_t i = 0; i < result->file_count; i++)
		files += result->files[i].name.size + result->files[i].content.size;
	return files + result->out.size + result->err.size + result->value.size +
	       result->vars.size + result->trace.size + result->error_message.size;
}

static void
result_write(void *what, struct text_buffer *text)
{
	struct reply_result *held = what;
	result_json_write(&held->result, text);
	run_result_deinit(&held->result);
}

static void
result_done(void *what)
{
	struct reply_result *held = what;
	const struct reply *reply = held->reply;
	run_result_deinit(&held->result);
	if (reply->gone != NULL)
		reply->gone(reply->context, held->held_bytes);
	free(held);
}

void
reply_result(struct reply *reply, uint64_t ticket, struct run_result *result)
{
	struct inwork_request *request = inwork_find(reply->inwork, ticket);
	struct reply_result *held = malloc(sizeof(*held));
	require(held != NULL);
	held->reply = reply;
	held->result = *result;
	held->held_bytes = result->held_bytes;
	memset(result, 0, sizeof(*result));
	if (request != NULL)
		put_tails(reply, request);
	struct reply_source source = {
	    .write = result_write,
	    .done = result_done,
	    .what = held,
	    .bytes = bytes_to_write(&held->result),
	};
	reply_written(reply, ticket, &source);
}
