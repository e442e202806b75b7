/*
 * What a client sends: bytes in pieces, lines, calls, and the job that is made of them.
 *
 * The first byte says how large the pieces are. Whatever comes: a refusal has a code and a text, an
 * answer to it is one line of JSON, and a job that was accepted is one that a worker can read.
 */
#include "fuzz.h"

#include "daemon/line_buffer.h"
#include "daemon/rpc.h"
#include "protocol/json_scan.h"
#include "worker/python_job.h"

#include <string.h>

#define FUZZ_LINE_BYTES_MAX 65536u

/* The client is a gateway; the token of `shop` is "test". */
static struct identity peer;
static const char TENANTS[] =
    "[tenant gateway]\nusers = 1000\ngateway = yes\n[tenant shop]\nmax_cpu_ms = 1s\n"
    "token_sha256 = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n";

static void
check_refusal(const struct rpc_call *call)
{
	struct text_buffer text;
	struct error err = ERROR_INIT;

	FUZZ_HOLDS(call->fault.code != 0);
	FUZZ_HOLDS(call->fault.message[0] != '\0');
	text_buffer_init(&text, FUZZ_LINE_BYTES_MAX);
	jsonrpc_write_error(&text, call->id, call->id ? strlen(call->id) : 0, &call->fault);
	FUZZ_HOLDS(!text.failed && text.size > 1 && text.bytes[text.size - 1] == '\n');
	FUZZ_HOLDS(json_scan_splice(text.bytes, text.size - 1, text.size, &err) == 0);
	text_buffer_deinit(&text);
}

static void
check_job(const struct run_request *request)
{
	struct python_job *job = NULL;
	struct error err = ERROR_INIT;

	FUZZ_HOLDS(python_job_new(request->blob, request->blob_bytes, &job, &err) == 0);
	python_job_free(&job);
}

/* Of all inputs; an input is many. tests/run-fuzz reads this line. */
static unsigned long long lines_taken;

static __attribute__((destructor)) void
say_lines(void)
{
	(void)fprintf(stderr, "stat::lines: %llu\n", lines_taken);
}

static void
take_line(const struct rpc *rpc, const uint8_t *line, size_t size)
{
	lines_taken++;
	struct rpc_call *call = rpc_parse(rpc, &peer, line, size);

	FUZZ_HOLDS(call != NULL);
	if (call->method == NULL) {
		check_refusal(call);
		rpc_call_free(&call);
		return;
	}
	if (strcmp(call->caller.terms.name, "shop") == 0)
		FUZZ_HOLDS(call->secret && !call->caller.operates);
	else
		FUZZ_HOLDS(strcmp(call->caller.terms.name, "gateway") == 0);
	FUZZ_HOLDS(!json_object_get(call->params, "token"));
	enum rpc_prepare prepare = call->id != NULL ? call->method->prepare : RPC_PREPARE_NONE;
	bool job = prepare == RPC_PREPARE_RUN || prepare == RPC_PREPARE_SUBMIT;
	/* The program of a job that names a script is put in later. */
	if (job && call->request.script[0] == '\0')
		check_job(&call->request);
	if (prepare == RPC_PREPARE_SUBMIT || prepare == RPC_PREPARE_SCRIPT)
		FUZZ_HOLDS(call->text != NULL);
	rpc_call_free(&call);
}

static void
take_lines(const struct rpc *rpc, struct line_buffer *buffer)
{
	const uint8_t *line;
	size_t length;
	enum line_kind kind;

	while ((kind = line_buffer_next(buffer, &line, &length)) != LINE_NONE) {
		if (kind == LINE_WHOLE)
			take_line(rpc, line, length);
		if (kind == LINE_ENDLESS)
			return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct rpc rpc = {.config = &config};
	struct line_budget budget = {.max = FUZZ_LINE_BYTES_MAX};
	struct line_buffer buffer;
	size_t piece = size > 0 ? 1 + data[0] * (size_t)data[0] : 1;
	struct error err = ERROR_INIT;

	if (config.limits_default.cpu_ms == 0) {
		config_init(&config);
		FUZZ_HOLDS(config_read_text(&config, TENANTS, strlen(TENANTS), "t", &err) == 0);
		FUZZ_HOLDS(tenant_table_new(&config, &rpc.tenants, &err) == 0);
		identity_init(&peer, 1000, 1000, NULL, 0);
		identity_settle(&peer, rpc.tenants);
		FUZZ_HOLDS(json_marks_init(&rpc.marks, &err) == 0);
	}
	line_buffer_init(&buffer, FUZZ_LINE_BYTES_MAX, &budget);
	for (size_t at = 1; at < size;) {
		size_t room = 0, part = size - at < piece ? size - at : piece;
		uint8_t *to = line_buffer_room(&buffer, &room);

		FUZZ_HOLDS(to != NULL && room > 0);
		part = part < room ? part : room;
		memcpy(to, data + at, part);
		line_buffer_added(&buffer, part);
		at += part;
		take_lines(&rpc, &buffer);
	}
	const uint8_t *line;
	size_t length;
	if (line_buffer_last(&buffer, &line, &length))
		take_line(&rpc, line, length);
	line_buffer_deinit(&buffer);
	FUZZ_HOLDS(budget.used == 0);
	return 0;
}
