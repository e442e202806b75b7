/*
 * The table of verdicts, from the strongest evidence to the weakest: our own defects, the client's
 * wish, limits that the watchdog and the kernel measured, signals, and only then what the worker
 * says of itself. A limit is only ever blamed when the measured use reached it. No I/O, no clock,
 * no text for the client (explain.c). Called by finish.c. Cannot fail.
 *
 * internal_error must be out of a tenant's reach. The page and the exit code are not: what proves a
 * failed set-up is the kernel's word that the worker died with the job unread.
 */
#include "daemon/verdict.h"

#include "protocol/worker_abi.h"

#include <signal.h>
#include <stddef.h>

#define VERDICT(status_, why_) ((struct verdict){STATUS_##status_, why_})
#define VERDICT_OPEN           ((struct verdict){STATUS_OK, NULL}) /* no rule of this group */

/* Ours: the job never ran, or its result cannot be known. */
static struct verdict
verdict_defect(const struct verdict_facts *facts)
{
	bool killed = facts->kill != WATCHDOG_NONE || facts->oom_kills > 0;
	if (facts->lost)
		return VERDICT(INTERNAL_ERROR, "lost");
	if (facts->failed)
		return VERDICT(INTERNAL_ERROR, "unreadable");
	if (facts->unread && !killed && !facts->cancelled)
		return VERDICT(INTERNAL_ERROR, "unread");
	return VERDICT_OPEN;
}

/* Kills of ours and of the kernel's memory controller. */
static struct verdict
verdict_measured(const struct verdict_facts *facts)
{
	if (facts->cancelled)
		return VERDICT(CANCELLED, "cancelled");
	if (facts->kill == WATCHDOG_CPU && facts->cpu_used_us >= facts->cpu_limit_us)
		return VERDICT(CPU_LIMIT, "cpu");
	if (facts->kill == WATCHDOG_WALL && facts->wall_used_us >= facts->wall_limit_us)
		return VERDICT(WALL_LIMIT, "wall");
	if (facts->kill == WATCHDOG_OPCODES && facts->opcode_limit > 0)
		return VERDICT(OPCODE_LIMIT, "opcodes");
	if (facts->kill != WATCHDOG_NONE)
		return VERDICT(INTERNAL_ERROR, "kill without cause");
	if (facts->oom_kills > 0)
		return VERDICT(MEMORY_LIMIT, "oom");
	return VERDICT_OPEN;
}

/* Evidence of foreign code, and the ends that signals make. */
static struct verdict
verdict_signal(const struct verdict_facts *facts)
{
	if (facts->signal == SIGSYS)
		return VERDICT(SECURITY_VIOLATION, "sigsys");
	if (facts->spoke)
		return VERDICT(SECURITY_VIOLATION, "spoke");
	if (facts->blob == VERDICT_BLOB_HOSTILE)
		return VERDICT(SECURITY_VIOLATION, "blob");
	/* Not SIGXFSZ: where it came for a write at the cap, the file is above the cap. */
	if (facts->output_over)
		return VERDICT(OUTPUT_LIMIT, "output");
	/* Ended between two looks, or by the backstop. */
	if (facts->cpu_used_us >= facts->cpu_limit_us)
		return VERDICT(CPU_LIMIT, "cpu at end");
	if (facts->signal != 0)
		return VERDICT(RUNTIME_ERROR, "signal");
	return VERDICT_OPEN;
}

/* What the worker says of a job that ended by itself. */
static struct verdict
verdict_reason(const struct verdict_facts *facts)
{
	switch (facts->reason) {
	case REASON_COMPILE_ERROR:
		return VERDICT(COMPILE_ERROR, "compile");
	case REASON_MEMORY_ERROR:
		return VERDICT(MEMORY_LIMIT, "MemoryError");
	case REASON_RECURSION_ERROR:
		return VERDICT(RECURSION_LIMIT, "RecursionError");
	case REASON_OUTPUT_LIMIT:
		return VERDICT(OUTPUT_LIMIT, "output stop");
	case REASON_OPCODE_LIMIT:
		/* Whoever says so without a budget has not stopped at one. */
		return facts->opcode_limit > 0 ? VERDICT(OPCODE_LIMIT, "opcode stop")
					       : VERDICT_OPEN;
	case REASON_VALUE_LIMIT:
		return VERDICT(OUTPUT_LIMIT, "value");
	case REASON_FILES_LIMIT:
		return VERDICT(OUTPUT_LIMIT, "files");
	case REASON_VALUE_ERROR:
		return VERDICT(RUNTIME_ERROR, "bad value");
	case REASON_EXCEPTION:
		return VERDICT(RUNTIME_ERROR, "exception");
	default:
		return VERDICT_OPEN;
	}
}

struct verdict
verdict_decide(const struct verdict_facts *facts)
{
	struct verdict (*const groups[])(const struct verdict_facts *) = {
	    verdict_defect, verdict_measured, verdict_signal, verdict_reason};
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct verdict verdict = groups[i](facts);
		if (verdict.why)
			return verdict;
	}
	if (facts->exit_code != 0)
		return VERDICT(RUNTIME_ERROR, "exit code");
	if (facts->wants_value && facts->blob != VERDICT_BLOB_COMPLETE)
		return VERDICT(RUNTIME_ERROR, "no result");
	return VERDICT(OK, "exit");
}
