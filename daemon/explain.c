/*
 * Error types and messages of stint's own verdicts, each naming the limit and its value. Decides
 * nothing (verdict.c did) and repeats no byte of the tenant's. Called by finish.c. Without memory
 * the texts stay empty, the status stands.
 */
#include "daemon/explain.h"

#include "protocol/worker_abi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPLAIN_TEXT_BYTES 256

static void
explain_put(struct bytes *ret_bytes, const char *text)
{
	free(ret_bytes->data);
	ret_bytes->size = strlen(text);
	ret_bytes->data = malloc(ret_bytes->size + 1);
	if (ret_bytes->data)
		memcpy(ret_bytes->data, text, ret_bytes->size + 1);
	else
		ret_bytes->size = 0;
}

static void __attribute__((format(printf, 3, 4)))
explain_set(struct run_result *result, const char *type, const char *format, ...)
{
	char text[EXPLAIN_TEXT_BYTES];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	explain_put(&result->error_type, type);
	explain_put(&result->error_message, text);
	result->has_error = true;
}

static void
explain_output(struct run_result *result, const struct limits *limits)
{
	if (result->out_truncated)
		explain_set(result, "OutputLimit", "more than %llu bytes on standard output",
			    (unsigned long long)limits->stdout_bytes);
	else if (result->err_truncated)
		explain_set(result, "OutputLimit", "more than %llu bytes on standard error",
			    (unsigned long long)limits->stderr_bytes);
	else if (!result->has_error)
		explain_set(result, "OutputLimit", "the value has more than %llu bytes of JSON",
			    (unsigned long long)limits->value_bytes);
}

/* The line of the innermost frame, when the worker has stopped by itself. */
static void
explain_opcodes(struct run_result *result, const struct limits *limits)
{
	unsigned long long limit = limits->opcodes, used = result->usage.opcodes;

	if (result->frame_count > 0)
		explain_set(result, "OpcodeLimit",
			    "more than %llu opcodes: stopped after %llu at line %u", limit, used,
			    (unsigned)result->frames[result->frame_count - 1].line);
	else
		explain_set(result, "OpcodeLimit", "more than %llu opcodes: stopped after %llu",
			    limit, used);
}

/* The line, when the worker heeded page.stop; else it was in C code, or slept. */
static void __attribute__((format(printf, 4, 5)))
explain_stop(struct run_result *result, const struct verdict_facts *facts, const char *type,
	     const char *format, ...)
{
	char text[EXPLAIN_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (facts->reason == REASON_STOPPED && result->frame_count > 0)
		explain_set(result, type, "%s: stopped at line %u", text,
			    (unsigned)result->frames[result->frame_count - 1].line);
	else
		explain_set(result, type, "%s", text);
}

static void
explain_runtime(struct run_result *result, const struct verdict_facts *facts)
{
	if (facts->signal != 0)
		explain_set(result, "Signal", "the program died by signal %d (%s)", facts->signal,
			    strsignal(facts->signal));
	else if (result->has_error)
		return;
	else if (facts->exit_code != 0)
		explain_set(result, "ExitCode", "the program ended with exit code %d",
			    facts->exit_code);
	else
		explain_set(result, "ResultMissing",
			    "the program ended without the value that was asked for");
}

static void
explain_violation(struct run_result *result, const struct verdict_facts *facts)
{
	if (facts->signal != 0)
		explain_set(result, "SecurityViolation", "a forbidden system call");
	else if (facts->spoke)
		explain_set(result, "SecurityViolation",
			    "bytes on a channel that is not the program's");
	else
		explain_set(result, "SecurityViolation", "a result that stint did not write");
}

static void
explain_internal(struct run_result *result, const struct verdict_facts *facts, const char *detail)
{
	const char *type = facts->lost ? "WorkerLost" : "InternalError", *text;
	if (facts->lost)
		text = "the worker's parent process ended";
	else if (facts->failed)
		text = "the result could not be read";
	else if (facts->kill != WATCHDOG_NONE)
		text = "killed without cause";
	else {
		type = "WorkerSetup";
		text = "the worker could not be set up";
	}
	explain_set(result, type, "%s%s%s", text, detail ? ": " : "", detail ? detail : "");
}

void
explain_result(struct run_result *result, const struct verdict_facts *facts,
	       const struct limits *limits, const char *detail)
{
	switch (result->status) {
	case STATUS_OK:
		break;
	case STATUS_CPU_LIMIT:
		explain_stop(result, facts, "CpuLimit", "more than %llu ms of CPU time",
			     (unsigned long long)limits->cpu_ms);
		break;
	case STATUS_WALL_LIMIT:
		explain_stop(result, facts, "WallLimit", "ran for more than %llu ms",
			     (unsigned long long)limits->wall_ms);
		break;
	case STATUS_OPCODE_LIMIT:
		explain_opcodes(result, limits);
		break;
	case STATUS_MEMORY_LIMIT:
		if (facts->oom_kills > 0 || !result->has_error)
			explain_set(result, "MemoryLimit", "more than %llu bytes of memory",
				    (unsigned long long)limits->memory_bytes);
		break;
	case STATUS_RECURSION_LIMIT:
		if (!result->has_error)
			explain_set(result, "RecursionError", "calls nested too deep");
		break;
	case STATUS_COMPILE_ERROR:
		if (!result->has_error)
			explain_set(result, "SyntaxError", "the source does not compile");
		break;
	case STATUS_OUTPUT_LIMIT:
		explain_output(result, limits);
		break;
	case STATUS_SECURITY_VIOLATION:
		explain_violation(result, facts);
		break;
	case STATUS_CANCELLED:
		explain_stop(result, facts, "Cancelled", "the job was cancelled");
		break;
	case STATUS_INTERNAL_ERROR:
		explain_internal(result, facts, detail);
		break;
	default:
		explain_runtime(result, facts);
		break;
	}
}
