/*
 * The bytes of the filters against the golden table, for both machines, for the zygote and for jobs
 * of each set of profiles. The arguments tried are all that could matter: around each value of the
 * table every single bit of 64, in judged and in other arguments, and every constant that the
 * program itself compares with, in either half of each argument of every call. So a condition that
 * is in the program and not in the table is found as well as the reverse.
 */
#define _GNU_SOURCE
#include "bpf_machine.h"
#include "seccomp_built.h"
#include "seccomp_golden.h"

#include <errno.h>
#include <linux/audit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NUMBERS       601
#define FAULTS_MAX    20
#define CONSTANTS_MAX 256
#define BIT(n)        (UINT64_C(1) << (n))

static const uint64_t JUNK[] = {0, UINT64_MAX, UINT64_C(0xa5a5a5a55a5a5a5a)};

/* One caller on one machine under examination. */
struct exam {
	const struct built *built;
	const struct golden *golden;
	unsigned who, wide; /* wide: index of built->wide */
	unsigned faults;
	uint64_t tried;
};

struct fixture {
	struct built built[BUILT_COUNT];
	struct golden golden[BUILT_COUNT];
};

static uint32_t
run(const struct sock_filter *program, size_t count, const struct seccomp_data *data)
{
	uint32_t value = 0;
	const char *wrong = bpf_machine_run(program, count, data, &value);

	if (wrong)
		fail_msg("call %d: %s", data->nr, wrong);
	return value;
}

static uint32_t
run_filters(const struct exam *exam, const struct seccomp_data *data)
{
	const struct seccomp_wide *wide = &exam->built->wide[exam->wide];
	const struct seccomp_narrow *narrow = &exam->built->narrow[exam->who & (GOLDEN_JOBS - 1)];
	uint32_t older = run(wide->instructions, wide->count, data);

	if (exam->who & GOLDEN_ZYGOTE)
		return older;
	return bpf_machine_stricter(run(narrow->instructions, narrow->count, data), older);
}

static void
try(struct exam *exam, int number, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = number, .arch = exam->built->audit_arch};
	uint32_t wanted, seen;

	memcpy(data.args, args, sizeof(data.args));
	wanted = golden_expect(exam->golden, exam->who, number, args, BUILT_OWN_PID);
	seen = run_filters(exam, &data);
	exam->tried++;
	if (wanted == seen)
		return;
	if (exam->faults++ < FAULTS_MAX)
		print_error("%s who %u: call %d (%#llx, %#llx, %#llx, %#llx, %#llx, %#llx): table "
			    "%#x, filter %#x\n",
			    exam->built->name, exam->who, number, (unsigned long long)args[0],
			    (unsigned long long)args[1], (unsigned long long)args[2],
			    (unsigned long long)args[3], (unsigned long long)args[4],
			    (unsigned long long)args[5], wanted, seen);
}

/* As it is, and with each bit of each argument the other way. */
static void
try_around(struct exam *exam, int number, uint64_t args[6])
{
	try(exam, number, args);
	for (unsigned i = 0; i < 6; i++)
		for (unsigned bit = 0; bit < 64; bit++) {
			args[i] ^= BIT(bit);
			try(exam, number, args);
			args[i] ^= BIT(bit);
		}
}

static uint64_t
value_of(const struct golden_term *term)
{
	return term->test == GOLDEN_OWN      ? BUILT_OWN_PID
	       : term->test == GOLDEN_IS_NOT ? term->value + 1
					     : term->value;
}

/* Around the values of one condition: bits all, none, and each one alone. */
static void
try_condition(struct exam *exam, int number, const struct golden_condition *condition)
{
	for (size_t junk = 0; junk < sizeof(JUNK) / sizeof(JUNK[0]); junk++) {
		uint64_t args[6];

		for (unsigned i = 0; i < 6; i++)
			args[i] = JUNK[junk];
		for (size_t i = 0; i < condition->count; i++)
			args[condition->terms[i].index] = value_of(&condition->terms[i]);
		try_around(exam, number, args);
		for (size_t i = 0; i < condition->count; i++) {
			uint64_t *judged = &args[condition->terms[i].index], full = *judged;

			if (condition->terms[i].test == GOLDEN_IS_NOT) {
				*judged = condition->terms[i].value;
				try_around(exam, number, args);
				*judged = full;
			}
			if (condition->terms[i].test != GOLDEN_BITS)
				continue;
			*judged = 0;
			try_around(exam, number, args);
			for (unsigned bit = 0; bit < 64; bit++) {
				*judged = full & BIT(bit);
				if (*judged)
					try_around(exam, number, args);
			}
			*judged = full;
		}
	}
}

static void
test_around_each_condition(struct exam *exam)
{
	for (size_t i = 0; i < exam->golden->count; i++) {
		const struct golden_line *line = &exam->golden->lines[i];

		for (size_t j = 0; j < line->count; j++)
			try_condition(exam, line->number, &line->conditions[j]);
	}
}

/* What the programs compare arguments with. */
static size_t
collect(const struct sock_filter *program, size_t count, uint32_t *constants, size_t known)
{
	for (size_t at = 0; at < count; at++) {
		uint16_t class = BPF_CLASS(program[at].code);
		size_t i = 0;

		if (class != BPF_JMP && class != BPF_ALU)
			continue;
		while (i < known && constants[i] != program[at].k)
			i++;
		if (i == known) {
			assert_true(known < CONSTANTS_MAX * 4);
			constants[known++] = program[at].k;
		}
	}
	return known;
}

static void
try_constants(struct exam *exam, int number, const uint32_t *constants, size_t known)
{
	for (unsigned i = 0; i < 6; i++)
		for (size_t j = 0; j < known; j++) {
			uint64_t args[6] = {0};

			args[i] = constants[j];
			try(exam, number, args);
			args[i] = (uint64_t)constants[j] << 32;
			try(exam, number, args);
		}
}

static void
test_each_number(struct exam *exam)
{
	const struct seccomp_wide *wide = &exam->built->wide[exam->wide];
	const struct seccomp_narrow *narrow = &exam->built->narrow[exam->who & (GOLDEN_JOBS - 1)];
	uint32_t constants[CONSTANTS_MAX * 4];
	size_t known = collect(wide->instructions, wide->count, constants, 0);

	known = collect(narrow->instructions, narrow->count, constants, known);
	for (int number = 0; number < NUMBERS; number++) {
		for (size_t junk = 0; junk < 2; junk++) {
			uint64_t args[6];

			for (unsigned i = 0; i < 6; i++)
				args[i] = JUNK[junk];
			try_around(exam, number, args);
		}
		try_constants(exam, number, constants, known);
	}
}

static void
test_numbers_of_no_table(struct exam *exam)
{
	static const uint64_t ZERO[6];

	for (int number = 0; number < NUMBERS; number++) {
		try(exam, number | 0x40000000, ZERO);
		try(exam, number | (int)0x80000000, ZERO);
	}
	for (unsigned bit = 10; bit < 32; bit++)
		try(exam, (int)BIT(bit), ZERO);
	for (int number = NUMBERS; number < 4096; number++)
		try(exam, number, ZERO);
	try(exam, 0x3fffffff, ZERO);
	try(exam, INT32_MAX, ZERO);
	try(exam, -1, ZERO);
}

static void
test_other_machines(struct exam *exam)
{
	static const uint32_t OTHERS[] = {AUDIT_ARCH_I386,    AUDIT_ARCH_ARM,   AUDIT_ARCH_X86_64,
					  AUDIT_ARCH_AARCH64, AUDIT_ARCH_PPC,   AUDIT_ARCH_RISCV64,
					  AUDIT_ARCH_MIPS64,  AUDIT_ARCH_S390X, 0,
					  UINT32_MAX};
	const struct seccomp_narrow *narrow = &exam->built->narrow[exam->who & (GOLDEN_JOBS - 1)];

	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		for (int number = 0; number < NUMBERS; number++) {
			struct seccomp_data data = {.nr = number, .arch = OTHERS[i]};

			if (OTHERS[i] == exam->built->audit_arch)
				continue;
			assert_int_equal(run(narrow->instructions, narrow->count, &data),
					 SECCOMP_RET_KILL_PROCESS);
			if (run_filters(exam, &data) != SECCOMP_RET_KILL_PROCESS)
				fail_msg("%s: call %d of %#x", exam->built->name, number,
					 OTHERS[i]);
		}
}

/* Each caller: in a zygote with event loops all, in one without those that have none. Who is pinned
 * depends on the zygote alone. With sanitizers every fifth: the code is the same, and the table
 * is judged without them. */
static void
examine(void **state, void (*test)(struct exam *))
{
	const struct fixture *fixture = *state;
	unsigned faults = 0, callers = 0, step = getenv("STINT_SANITIZED") ? 5 : 1;
	uint64_t tried = 0;

	for (unsigned i = 0; i < BUILT_COUNT; i++)
		for (unsigned wide = 0; wide < BUILT_WIDES; wide++)
			for (unsigned who = 0; who < GOLDEN_WHO_COUNT; who++) {
				struct exam exam = {.built = &fixture->built[i],
						    .golden = &fixture->golden[i],
						    .who = who,
						    .wide = wide};
				bool zygote = who & GOLDEN_ZYGOTE, asyncio = who & GOLDEN_ASYNCIO;

				if (zygote ? asyncio != (wide & 1) || who & GOLDEN_SCRATCH
					   : asyncio && !(wide & 1))
					continue;
				if (!(who & GOLDEN_PINNING) != !(wide & 2) || callers++ % step != 0)
					continue;
				test(&exam);
				faults += exam.faults;
				tried += exam.tried;
			}
	print_message("%llu judged\n", (unsigned long long)tried);
	assert_int_equal(faults, 0);
}

static void
test_conditions(void **state)
{
	examine(state, test_around_each_condition);
}

static void
test_numbers(void **state)
{
	examine(state, test_each_number);
}

static void
test_foreign(void **state)
{
	examine(state, test_numbers_of_no_table);
	examine(state, test_other_machines);
}

static void
test_kernel_would_take_them(void **state)
{
	const struct fixture *fixture = *state;

	for (unsigned i = 0; i < BUILT_COUNT; i++) {
		const struct built *built = &fixture->built[i];

		for (unsigned j = 0; j < BUILT_WIDES; j++)
			assert_null(
			    bpf_machine_check(built->wide[j].instructions, built->wide[j].count));
		for (unsigned j = 0; j < BUILT_GRANTS; j++)
			assert_null(bpf_machine_check(built->narrow[j].instructions,
						      built->narrow[j].count));
	}
}

/* Promise P9: calls that a job may make at all, with some arguments. */
static void
test_counts(void **state)
{
	static const unsigned MAXIMA[2][3] = {{60, 71, 78}, {67, 79, 90}}; /* aarch64, x86_64 */
	const struct fixture *fixture = *state;

	for (unsigned i = 0; i < BUILT_COUNT; i++) {
		unsigned counts[GOLDEN_JOBS] = {0};

		for (unsigned who = 0; who < GOLDEN_JOBS; who++)
			for (int number = 0; number < GOLDEN_NUMBERS; number++) {
				const struct golden_line *line = fixture->golden[i].of[who][number];

				counts[who] += line && line->action == SECCOMP_RET_ALLOW;
			}
		print_message("%s: base %u, asyncio %u, threads %u, both %u, with scratch %u; %zu "
			      "instructions\n",
			      fixture->built[i].name, counts[0], counts[1], counts[2], counts[3],
			      counts[7], fixture->built[i].wide[1].count);
		assert_in_range(counts[GOLDEN_THREADS], 40, MAXIMA[i][0]);
		assert_in_range(counts[GOLDEN_THREADS | GOLDEN_ASYNCIO], 50, MAXIMA[i][1]);
		assert_in_range(counts[GOLDEN_JOBS - 1], counts[3] + 1, MAXIMA[i][2]);
	}
}

/* One instruction of a copy changed: every return, and the constant of every comparison. */
static bool
change(struct sock_filter *now)
{
	if (BPF_CLASS(now->code) == BPF_RET) {
		now->k =
		    now->k == SECCOMP_RET_ALLOW ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW;
		return true;
	}
	if (now->code != (BPF_JMP | BPF_JEQ | BPF_K))
		return false;
	now->k ^= 1;
	return true;
}

/* The check can fail: what is changed in the narrow filter is seen. */
static void
test_changed_program_is_seen(void **state)
{
	struct fixture *fixture = *state;
	struct seccomp_narrow *narrow = &fixture->built[0].narrow[0];
	unsigned changed = 0, seen = 0;

	for (size_t at = 0; at < narrow->count; at++) {
		struct sock_filter before = narrow->instructions[at];
		struct exam exam = {.built = &fixture->built[0],
				    .golden = &fixture->golden[0],
				    .wide = 1,
				    .faults = FAULTS_MAX};

		if (!change(&narrow->instructions[at]))
			continue;
		changed++;
		for (int number = 0; number < NUMBERS; number++)
			for (size_t junk = 0; junk < sizeof(JUNK) / sizeof(JUNK[0]); junk++) {
				uint64_t args[6] = {JUNK[junk], JUNK[junk], JUNK[junk],
						    JUNK[junk], JUNK[junk], JUNK[junk]};

				try(&exam, number, args);
			}
		test_around_each_condition(&exam);
		test_numbers_of_no_table(&exam);
		exam.faults += run(narrow->instructions, narrow->count,
				   &(struct seccomp_data){0}) != SECCOMP_RET_KILL_PROCESS;
		if (exam.faults == FAULTS_MAX)
			print_message("not seen: instruction %zu of the narrow filter: %#x %#x\n",
				      at, before.code, before.k);
		seen += exam.faults > FAULTS_MAX;
		narrow->instructions[at] = before;
	}
	assert_true(changed > 20);
	assert_int_equal(seen, changed);
}

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error err = ERROR_INIT;

	if (!fixture)
		return -1;
	*state = fixture;
	for (unsigned i = 0; i < BUILT_COUNT; i++) {
		if (built_init(i, &fixture->built[i], &err) < 0) {
			print_error("%s\n", err.text);
			return -1;
		}
		if (golden_load(fixture->built[i].name, &fixture->golden[i]) < 0)
			return -1;
	}
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; fixture && i < BUILT_COUNT; i++)
		built_deinit(&fixture->built[i]);
	free(fixture);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kernel_would_take_them),
	    cmocka_unit_test(test_conditions),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_foreign),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_changed_program_is_seen),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
