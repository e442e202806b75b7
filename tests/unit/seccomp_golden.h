/*
 * The golden table of the filters (seccomp_golden/MACHINE.txt, its head has the grammar) as data.
 */
#ifndef TESTS_UNIT_SECCOMP_GOLDEN_H
#define TESTS_UNIT_SECCOMP_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOLDEN_NUMBERS        1024
#define GOLDEN_LINES_MAX      512
#define GOLDEN_CONDITIONS_MAX 8
#define GOLDEN_TERMS_MAX      4
#define GOLDEN_OWN_PID        77

/* Who calls: a set of profiles, with the bit ZYGOTE when only the wide filter is there. */
enum golden_who {
	GOLDEN_ASYNCIO = 1u << 0,
	GOLDEN_THREADS = 1u << 1,
	GOLDEN_SCRATCH = 1u << 2,
	GOLDEN_PINNING = 1u << 3,
	GOLDEN_JOBS = 1u << 4, /* sets of profiles: who is below it for a job */
	GOLDEN_ZYGOTE = GOLDEN_JOBS,
	GOLDEN_WHO_COUNT = 1u << 5,
};

enum golden_test { GOLDEN_IS, GOLDEN_IS_NOT, GOLDEN_BITS, GOLDEN_OWN };

struct golden_term {
	unsigned index;
	bool is_long;
	enum golden_test test;
	uint64_t value;
};

struct golden_condition {
	struct golden_term terms[GOLDEN_TERMS_MAX];
	size_t count;
};

struct golden_line {
	int number;
	char call[32];
	uint32_t who; /* bit for each of 0...GOLDEN_WHO_COUNT - 1 */
	struct golden_condition conditions[GOLDEN_CONDITIONS_MAX];
	size_t count;
	uint32_t action, otherwise; /* as a filter returns them; otherwise: only with conditions */
};

struct golden {
	struct golden_line lines[GOLDEN_LINES_MAX];
	size_t count;
	uint32_t foreign[GOLDEN_WHO_COUNT]; /* of numbers from 0x40000000 */
	uint32_t skipped[GOLDEN_WHO_COUNT]; /* of -1 */
	const struct golden_line *of[GOLDEN_WHO_COUNT][GOLDEN_NUMBERS]; /* NULL: no line */
};

/* Prints what is wrong and where; -1 then. name: x86_64 or aarch64. */
int golden_load(const char *name, struct golden *ret_golden);

bool golden_holds(const struct golden_condition *condition, const uint64_t args[6], uint32_t own);

/* What is to be returned; own: the pid that =own means. */
uint32_t golden_expect(const struct golden *golden, unsigned who, int number,
		       const uint64_t args[6], uint32_t own);

#endif
