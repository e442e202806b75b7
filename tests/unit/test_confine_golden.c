/*
 * The bytes of stintd's filter against its golden table, on a machine for classic BPF of our own:
 * every number, around every value of the table each single bit of each argument, and every
 * constant that the program itself compares with in either half of each argument. libseccomp's
 * compilation is not believed. Only where there is a table for this machine.
 */
#define _GNU_SOURCE
#include "bpf_machine.h"
#include "daemon/confine.h"
#include "seccomp_golden.h"

#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define NUMBERS          601
#define FAULTS_MAX       20
#define CONSTANTS_MAX    256
#define INSTRUCTIONS_MAX 4096
#define BIT(n)           (UINT64_C(1) << (n))

struct exam {
	struct golden golden;
	struct sock_filter program[INSTRUCTIONS_MAX];
	size_t count;
	uint32_t constants[CONSTANTS_MAX];
	size_t known;
	unsigned faults;
	uint64_t tried;
	bool quiet;
};

/* The table's default is a worker's, ENOSYS; stintd's is EPERM. */
static uint32_t
expected(const struct exam *exam, int number, const uint64_t args[6])
{
	bool listed = number >= 0 && number < GOLDEN_NUMBERS && exam->golden.of[0][number];

	if (!listed && number != -1 && (uint32_t)number < 0x40000000)
		return SECCOMP_RET_ERRNO | EPERM;
	return golden_expect(&exam->golden, 0, number, args, GOLDEN_OWN_PID);
}

static void
try(struct exam *exam, int number, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = number, .arch = AUDIT_ARCH_X86_64};
	uint32_t seen = 0, wanted = expected(exam, number, args);

	memcpy(data.args, args, sizeof(data.args));
	const char *wrong = bpf_machine_run(exam->program, exam->count, &data, &seen);
	exam->tried++;
	if (!wrong && seen == wanted)
		return;
	if (exam->faults++ < FAULTS_MAX && !exam->quiet)
		print_error("call %d (%#llx, %#llx, %#llx): table %#x, filter %#x %s\n", number,
			    (unsigned long long)args[0], (unsigned long long)args[1],
			    (unsigned long long)args[2], wanted, seen, wrong ? wrong : "");
}

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

static void
try_condition(struct exam *exam, int number, const struct golden_condition *condition)
{
	static const uint64_t JUNK[] = {0, UINT64_MAX, UINT64_C(0xa5a5a5a55a5a5a5a)};

	for (size_t junk = 0; junk < 3; junk++) {
		uint64_t args[6];

		for (unsigned i = 0; i < 6; i++)
			args[i] = JUNK[junk];
		for (size_t i = 0; i < condition->count; i++) {
			const struct golden_term *term = &condition->terms[i];

			args[term->index] = term->test == GOLDEN_OWN ? GOLDEN_OWN_PID : term->value;
		}
		try_around(exam, number, args);
	}
}

static void
try_number(struct exam *exam, int number)
{
	for (unsigned ones = 0; ones < 2; ones++) {
		uint64_t args[6];

		memset(args, ones ? 0xff : 0, sizeof(args));
		try_around(exam, number, args);
	}
	for (unsigned i = 0; i < 6; i++)
		for (size_t j = 0; j < exam->known; j++) {
			uint64_t args[6] = {0};

			args[i] = exam->constants[j];
			try(exam, number, args);
			args[i] <<= 32;
			try(exam, number, args);
		}
}

static void
examine(struct exam *exam)
{
	static const uint64_t ZERO[6];

	for (int number = 0; number < NUMBERS; number++) {
		try_number(exam, number);
		try(exam, number | 0x40000000, ZERO);
		try(exam, number | (int)0x80000000, ZERO);
	}
	for (int number = NUMBERS; number < 4096; number++)
		try(exam, number, ZERO);
	try(exam, 0x3fffffff, ZERO);
	try(exam, -1, ZERO);
	for (size_t i = 0; i < exam->golden.count; i++) {
		const struct golden_line *line = &exam->golden.lines[i];

		for (size_t j = 0; j < line->count; j++)
			try_condition(exam, line->number, &line->conditions[j]);
	}
}

static void
the_filter_is_its_table(void **state)
{
	struct exam *exam = *state;

	examine(exam);
	print_message("%llu judged, %zu instructions\n", (unsigned long long)exam->tried,
		      exam->count);
	assert_int_equal(exam->faults, 0);
}

static void
other_machines_are_killed(void **state)
{
	static const uint32_t OTHERS[] = {AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0,
					  UINT32_MAX};
	const struct exam *exam = *state;

	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		for (int number = 0; number < NUMBERS; number++) {
			struct seccomp_data data = {.nr = number, .arch = OTHERS[i]};
			uint32_t seen = 0;

			assert_null(bpf_machine_run(exam->program, exam->count, &data, &seen));
			assert_int_equal(seen, SECCOMP_RET_KILL_PROCESS);
		}
}

/* The check can fail: each return and each comparison that is changed shows. */
static void
changed_programs_are_seen(void **state)
{
	struct exam *exam = *state;
	unsigned changed = 0, seen = 0;

	exam->quiet = true;
	for (size_t at = 0; at < exam->count; at += 7) {
		struct sock_filter before = exam->program[at], *now = &exam->program[at];

		if (BPF_CLASS(now->code) == BPF_RET)
			now->k = now->k == SECCOMP_RET_ALLOW ? SECCOMP_RET_ERRNO | EPERM
							     : SECCOMP_RET_ALLOW;
		else if (now->code == (BPF_JMP | BPF_JEQ | BPF_K))
			now->k ^= 1;
		else
			continue;
		changed++;
		exam->faults = 0;
		examine(exam);
		seen += exam->faults > 0;
		if (exam->faults == 0)
			print_error("not seen: instruction %zu: %#x %#x\n", at, before.code,
				    before.k);
		*now = before;
	}
	exam->quiet = false;
	assert_true(changed > 10);
	assert_int_equal(seen, changed);
}

static void
collect_constants(struct exam *exam)
{
	for (size_t at = 0; at < exam->count; at++) {
		uint16_t class = BPF_CLASS(exam->program[at].code);
		size_t i = 0;

		if (class != BPF_JMP && class != BPF_ALU)
			continue;
		while (i < exam->known && exam->constants[i] != exam->program[at].k)
			i++;
		assert_true(i < CONSTANTS_MAX);
		if (i == exam->known)
			exam->constants[exam->known++] = exam->program[at].k;
	}
}

static int
set_up(void **state)
{
	struct exam *exam = calloc(1, sizeof(*exam));
	struct error err = ERROR_INIT;
	void *filter = NULL;
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t size;

	*state = exam;
	if (!exam || fd < 0 || golden_load("stintd_x86_64", &exam->golden) < 0 ||
	    confine_build(GOLDEN_OWN_PID, &filter, &err) < 0)
		return -1;
	if (seccomp_export_bpf(filter, fd) < 0)
		return -1;
	seccomp_release(filter);
	size = pread(fd, exam->program, sizeof(exam->program), 0);
	(void)close(fd);
	if (size <= 0 || (size_t)size >= sizeof(exam->program))
		return -1;
	exam->count = (size_t)size / sizeof(exam->program[0]);
	collect_constants(exam);
	return bpf_machine_check(exam->program, exam->count) ? -1 : 0;
}

static int
tear_down(void **state)
{
	free(*state);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_filter_is_its_table),
	    cmocka_unit_test(other_machines_are_killed),
	    cmocka_unit_test(changed_programs_are_seen),
	};

#if !defined(__x86_64__)
	return 77; /* skipped: there is no table of this machine's numbers */
#endif
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
