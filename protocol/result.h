/*
 * How a job ended, in the words of the client protocol.
 */
#ifndef STINT_PROTOCOL_RESULT_H
#define STINT_PROTOCOL_RESULT_H

#include <stdint.h>

/* STATUS(constant, wire name, verdict code, sentence) */
#define STATUS_TABLE(STATUS) \
	STATUS(OK, "ok", "OK", "ran to its end, exit code 0") \
	STATUS(RUNTIME_ERROR, "runtime_error", "RTE", \
	       "uncaught exception, exit code not 0, or a signal of its own") \
	STATUS(COMPILE_ERROR, "compile_error", "CE", "the source does not compile") \
	STATUS(CPU_LIMIT, "cpu_limit", "TLE", "CPU time used up") \
	STATUS(WALL_LIMIT, "wall_limit", "WTL", "wall time used up") \
	STATUS(OPCODE_LIMIT, "opcode_limit", "TLE", "opcode budget used up") \
	STATUS(MEMORY_LIMIT, "memory_limit", "MLE", \
	       "killed by the memory limit, or an uncaught MemoryError") \
	STATUS(RECURSION_LIMIT, "recursion_limit", "RTE", "an uncaught RecursionError") \
	STATUS(OUTPUT_LIMIT, "output_limit", "OLE", "stdout, stderr, value or files cap") \
	STATUS(SECURITY_VIOLATION, "security_violation", "SV", \
	       "a forbidden system call, or bytes that no accident can make") \
	STATUS(CANCELLED, "cancelled", "CA", "by job.cancel, client gone, or drain") \
	STATUS(INTERNAL_ERROR, "internal_error", "JE", "a defect of stint")

enum job_status {
#define STATUS(constant, name, verdict, text) STATUS_##constant,
	STATUS_TABLE(STATUS)
#undef STATUS
	STATUS_COUNT
};

const char *status_name(enum job_status status);    /* "ok" */
const char *status_verdict(enum job_status status); /* "OK" */

#endif
