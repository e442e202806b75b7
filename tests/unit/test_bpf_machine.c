/*
 * The evaluator that the filters' proofs stand on: each instruction, each thing the kernel's
 * checker refuses, and that the kernel agrees with both.
 */
#define _GNU_SOURCE
#include "bpf_machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define LD_ABS        (BPF_LD | BPF_W | BPF_ABS)
#define RET_K         (BPF_RET | BPF_K)
#define RET_A         (BPF_RET | BPF_A)
#define PROGRAM_MAX   8

struct example {
	const char *what;
	struct sock_filter program[PROGRAM_MAX];
	size_t count;
	uint32_t value; /* wanted when it is accepted */
};

#define EXAMPLE(what, value, ...)                                                                  \
	{                                                                                          \
		what, {__VA_ARGS__}, LENGTH(((const struct sock_filter[]){__VA_ARGS__})), value    \
	}
#define STMT(code, k)       BPF_STMT((uint16_t)(code), (k))
#define JUMP(code, k, t, f) BPF_JUMP((uint16_t)(BPF_JMP | (code)), (k), (t), (f))
#define LD(k)               STMT(BPF_LD | BPF_IMM, k)
#define LDX(k)              STMT(BPF_LDX | BPF_IMM, k)
#define ALU(op, k)          STMT(BPF_ALU | (op) | BPF_K, k)
#define ALUX(op)            STMT(BPF_ALU | (op) | BPF_X, 0)
#define END                 STMT(RET_A, 0)

static const struct example GOOD[] = {
    EXAMPLE("return", 7, STMT(RET_K, 7)),
    EXAMPLE("load of the number", 11, STMT(LD_ABS, 0), END),
    EXAMPLE("load of an upper half", 0x99, STMT(LD_ABS, 60), END),
    EXAMPLE("length", 64, STMT(BPF_LD | BPF_W | BPF_LEN, 0), END),
    EXAMPLE("length to x", 64, STMT(BPF_LDX | BPF_W | BPF_LEN, 0), STMT(BPF_MISC | BPF_TXA, 0),
	    END),
    EXAMPLE("add", 1, LD(UINT32_MAX), ALU(BPF_ADD, 2), END),
    EXAMPLE("sub x", UINT32_MAX, LD(1), LDX(2), ALUX(BPF_SUB), END),
    EXAMPLE("mul", 12, LD(3), ALU(BPF_MUL, 4), END),
    EXAMPLE("div", 3, LD(13), ALU(BPF_DIV, 4), END),
    EXAMPLE("div by x of 0 ends with 0", 0, LD(13), LDX(0), ALUX(BPF_DIV), STMT(RET_K, 9)),
    EXAMPLE("and", 4, LD(6), ALU(BPF_AND, 12), END),
    EXAMPLE("or x", 14, LD(6), LDX(12), ALUX(BPF_OR), END),
    EXAMPLE("xor", 10, LD(6), ALU(BPF_XOR, 12), END),
    EXAMPLE("shifts", 8, LD(1), ALU(BPF_LSH, 31), ALU(BPF_RSH, 28), END),
    EXAMPLE("neg", UINT32_MAX, LD(1), ALU(BPF_NEG, 0), END),
    EXAMPLE("tax", 5, LD(5), STMT(BPF_MISC | BPF_TAX, 0), LD(1), STMT(BPF_MISC | BPF_TXA, 0), END),
    EXAMPLE("scratch", 5, LD(5), STMT(BPF_ST, 15), LD(0), STMT(BPF_LD | BPF_MEM, 15), END),
    EXAMPLE("scratch by x", 6, LDX(6), STMT(BPF_STX, 0), LDX(0), STMT(BPF_LDX | BPF_MEM, 0),
	    STMT(BPF_MISC | BPF_TXA, 0), END),
    EXAMPLE("always", 2, JUMP(BPF_JA, 1, 0, 0), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("equal", 1, LD(4), JUMP(BPF_JEQ, 4, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("not equal", 2, LD(5), JUMP(BPF_JEQ, 4, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("greater, unsigned", 1, LD(UINT32_MAX), JUMP(BPF_JGT, 4, 0, 1), STMT(RET_K, 1),
	    STMT(RET_K, 2)),
    EXAMPLE("not greater", 2, LD(4), JUMP(BPF_JGT, 4, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("greater or equal", 1, LD(4), JUMP(BPF_JGE, 4, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("some bit", 1, LD(6), JUMP(BPF_JSET, 4, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("no bit", 2, LD(6), JUMP(BPF_JSET, 9, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)),
    EXAMPLE("equal to x", 2, LD(6), LDX(7), JUMP(BPF_JEQ | BPF_X, 0, 0, 1), STMT(RET_K, 1),
	    STMT(RET_K, 2)),
};

static const struct example BAD[] = {
    {"nothing", {{0, 0, 0, 0}}, 0, 0},
    EXAMPLE("no return", 0, LD(1)),
    EXAMPLE("jump at the end", 0, STMT(RET_K, 0), JUMP(BPF_JA, 0, 0, 0)),
    EXAMPLE("unaligned load", 0, STMT(LD_ABS, 2), END),
    EXAMPLE("load behind the data", 0, STMT(LD_ABS, 64), END),
    EXAMPLE("load far behind", 0, STMT(LD_ABS, 0xfffffffc), END),
    EXAMPLE("load of a byte", 0, STMT(BPF_LD | BPF_B | BPF_ABS, 0), END),
    EXAMPLE("load of a half", 0, STMT(BPF_LD | BPF_H | BPF_ABS, 0), END),
    EXAMPLE("indirect load", 0, STMT(BPF_LD | BPF_W | BPF_IND, 0), END),
    EXAMPLE("header length", 0, STMT(BPF_LDX | BPF_B | BPF_MSH, 0), END),
    EXAMPLE("modulus", 0, LD(1), ALU(BPF_MOD, 2), END),
    EXAMPLE("division by zero", 0, LD(1), ALU(BPF_DIV, 0), END),
    EXAMPLE("shift by 32", 0, LD(1), ALU(BPF_LSH, 32), END),
    EXAMPLE("shift right by 32", 0, LD(1), ALU(BPF_RSH, 32), END),
    EXAMPLE("word 16", 0, STMT(BPF_ST, 16), END),
    EXAMPLE("unwritten word", 0, STMT(BPF_LD | BPF_MEM, 3), END),
    EXAMPLE("word that one path wrote", 0, LD(1), JUMP(BPF_JEQ, 1, 0, 1), STMT(BPF_ST, 3),
	    STMT(BPF_LD | BPF_MEM, 3), END),
    EXAMPLE("jump behind the end", 0, LD(1), JUMP(BPF_JEQ, 1, 0, 1), END),
    EXAMPLE("long jump behind the end", 0, JUMP(BPF_JA, 1, 0, 0), END),
    EXAMPLE("jump back", 0, JUMP(BPF_JA, UINT32_MAX, 0, 0), END),
    EXAMPLE("return of x", 0, STMT(BPF_RET | BPF_X, 0)),
    EXAMPLE("unknown bits", 0, STMT(0x100 | RET_K, 0)),
    EXAMPLE("unknown jump", 0, JUMP(0x50, 0, 0, 0), END),
};

static void
test_good_programs(void **state)
{
	struct seccomp_data data = {.nr = 11};

	(void)state;
	data.args[5] = UINT64_C(0x9900000001);
	for (size_t i = 0; i < LENGTH(GOOD); i++) {
		const struct example *good = &GOOD[i];
		uint32_t value = 0;
		const char *wrong = bpf_machine_check(good->program, good->count);

		if (!wrong)
			wrong = bpf_machine_run(good->program, good->count, &data, &value);
		if (wrong || value != good->value)
			fail_msg("%s: %s %u", good->what, wrong ? wrong : "", value);
	}
}

static void
test_bad_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(BAD); i++)
		if (!bpf_machine_check(BAD[i].program, BAD[i].count))
			fail_msg("accepted: %s", BAD[i].what);
}

static void
test_stricter(void **state)
{
	static const uint32_t ORDER[] = {
	    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
	    SECCOMP_RET_TRACE,        SECCOMP_RET_LOG,         SECCOMP_RET_ALLOW};

	(void)state;
	for (size_t i = 0; i < LENGTH(ORDER); i++)
		for (size_t j = i; j < LENGTH(ORDER); j++) {
			assert_int_equal(bpf_machine_stricter(ORDER[i], ORDER[j]), ORDER[i]);
			assert_int_equal(bpf_machine_stricter(ORDER[j], ORDER[i]), ORDER[i]);
		}
	assert_int_equal(bpf_machine_stricter(SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ERRNO | 2),
			 SECCOMP_RET_ERRNO | 1);
}

static bool
kernel_takes(const struct sock_filter *program, size_t count)
{
	struct sock_filter copy[PROGRAM_MAX];
	struct sock_fprog wanted = {(unsigned short)count, copy};
	int status;
	pid_t pid = fork();

	memcpy(copy, program, sizeof(copy));
	assert_true(pid >= 0);
	if (pid == 0) {
		long result;

		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &wanted);
		/* Under a filter with any value this _exit may end by a signal. */
		_exit(result == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

/* An accepted program here ends with a return of ALLOW in place of its own, so that the child
 * lives. */
static void
test_kernel_agrees(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(BAD); i++)
		if (kernel_takes(BAD[i].program, BAD[i].count))
			fail_msg("the kernel takes: %s", BAD[i].what);
	for (size_t i = 0; i < LENGTH(GOOD); i++) {
		struct sock_filter program[PROGRAM_MAX];

		memcpy(program, GOOD[i].program, sizeof(program));
		for (size_t at = 0; at < GOOD[i].count; at++)
			if (BPF_CLASS(program[at].code) == BPF_RET)
				program[at] = (struct sock_filter)STMT(RET_K, SECCOMP_RET_ALLOW);
		if (!kernel_takes(program, GOOD[i].count))
			fail_msg("the kernel refuses: %s", GOOD[i].what);
	}
}

/* Any bytes: never outside, always an end. What the checker takes, runs to a return. */
static void
test_random_programs(void **state)
{
	static const uint16_t CODES[] = {LD_ABS,
					 RET_K,
					 RET_A,
					 BPF_JMP | BPF_JEQ,
					 BPF_JMP | BPF_JA,
					 BPF_ST,
					 BPF_LD | BPF_MEM,
					 BPF_ALU | BPF_DIV | BPF_X};
	struct seccomp_data data = {.nr = 1};
	unsigned accepted = 0;

	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 200000; round++) {
		struct sock_filter program[PROGRAM_MAX];
		uint32_t value;

		for (size_t i = 0; i < PROGRAM_MAX; i++) {
			program[i].code = random() % 16 ? CODES[random() % (long)LENGTH(CODES)]
							: (uint16_t)random();
			program[i].jt = (uint8_t)(random() % 5);
			program[i].jf = (uint8_t)(random() % 5);
			program[i].k = (uint32_t)(random() % 5);
		}
		if (bpf_machine_check(program, PROGRAM_MAX)) {
			(void)bpf_machine_run(program, PROGRAM_MAX, &data, &value);
			continue;
		}
		accepted++;
		assert_null(bpf_machine_run(program, PROGRAM_MAX, &data, &value));
	}
	assert_in_range(accepted, 100, 199999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_programs),   cmocka_unit_test(test_bad_programs),
	    cmocka_unit_test(test_stricter),        cmocka_unit_test(test_kernel_agrees),
	    cmocka_unit_test(test_random_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
