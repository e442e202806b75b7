/*
 * `make golden`: prints what the filters do, call by call,  for a person to compare with
 * the golden tables after an intended change. It follows every path through a program for a given
 * number and prints what each that ends in ALLOW asks of the arguments; it writes no file.
 *
 * A line is: machine, filter, number, then "allow" or the refusal with zero arguments, then the
 * paths: argN.lo or .hi is a half of an argument, "&" a mask before the comparison.
 */
#include "seccomp_built.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NUMBERS  601
#define TEXT_MAX 2048

struct walk {
	const struct sock_filter *program;
	size_t count;
	uint32_t number, audit_arch;
	unsigned allowed, refused;
	uint32_t last; /* returned by the last path that refused */
	char text[TEXT_MAX];
};

/* What the accumulator holds: a known number, or a word of the arguments under a mask. */
struct symbol {
	bool known;
	uint32_t value, offset, mask;
};

static void
print_return(struct walk *walk, uint32_t value, const char *path)
{
	size_t length = strlen(walk->text);

	if ((value & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW) {
		walk->refused++;
		walk->last = value;
		return;
	}
	walk->allowed++;
	if (length < sizeof(walk->text))
		(void)snprintf(walk->text + length, sizeof(walk->text) - length, "\n\t\tallow if%s",
			       path);
}

static bool
compare(uint16_t code, uint32_t a, uint32_t k)
{
	return BPF_OP(code) == BPF_JEQ   ? a == k
	       : BPF_OP(code) == BPF_JGE ? a >= k
	       : BPF_OP(code) == BPF_JGT ? a > k
					 : (a & k) != 0;
}

static const char *
word(uint16_t code, bool holds)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return holds ? "==" : "!=";
	case BPF_JGE:
		return holds ? ">=" : "<";
	case BPF_JGT:
		return holds ? ">" : "<=";
	}
	return holds ? "has of" : "has none of";
}

static void
follow(struct walk *walk, size_t at, struct symbol a, const char *path)
{
	for (; at < walk->count; at++) {
		const struct sock_filter *now = &walk->program[at];

		if (now->code == (BPF_RET | BPF_K)) {
			print_return(walk, now->k, path);
			return;
		}
		if (now->code == (BPF_LD | BPF_W | BPF_ABS)) {
			a = (struct symbol){now->k < 8,
					    now->k == 0 ? walk->number : walk->audit_arch, now->k,
					    UINT32_MAX};
		} else if (now->code == (BPF_ALU | BPF_AND | BPF_K)) {
			a.value &= now->k;
			a.mask &= now->k;
		} else if (now->code == (BPF_JMP | BPF_JA)) {
			at += now->k;
		} else if (a.known) {
			at += compare(now->code, a.value, now->k) ? now->jt : now->jf;
		} else {
			for (unsigned holds = 0; holds < 2; holds++) {
				char longer[TEXT_MAX];

				(void)snprintf(longer, sizeof(longer), "%s [arg%u.%s&%#x %s %#x]",
					       path, (a.offset - 16) / 8,
					       (a.offset - 16) % 8 ? "hi" : "lo", a.mask,
					       word(now->code, holds), now->k);
				follow(walk, at + 1 + (holds ? now->jt : now->jf), a, longer);
			}
			return;
		}
	}
}

static void
print_program(const struct built *built, const char *name, const struct sock_filter *program,
	      size_t count)
{
	for (uint32_t number = 0; number < NUMBERS; number++) {
		struct walk walk = {.program = program,
				    .count = count,
				    .number = number,
				    .audit_arch = built->audit_arch};
		bool killed;

		follow(&walk, 0, (struct symbol){0}, "");
		killed = (walk.last & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_PROCESS;
		if (walk.refused == 0)
			printf("%s %s %u allow\n", built->name, name, number);
		else if (killed)
			printf("%s %s %u kill%s\n", built->name, name, number, walk.text);
		else if (walk.allowed > 0 || (walk.last & SECCOMP_RET_DATA) != ENOSYS)
			printf("%s %s %u %s%s\n", built->name, name, number,
			       strerror((int)(walk.last & SECCOMP_RET_DATA)), walk.text);
	}
}

int
main(void)
{
	static const char *const PROFILES[] = {"+asyncio", "+threads", "+scratch", "+pinning"};
	struct error err = ERROR_INIT;

	for (unsigned i = 0; i < BUILT_COUNT; i++) {
		struct built built;

		if (built_init(i, &built, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		print_program(&built, "wide", built.wide[1].instructions, built.wide[1].count);
		print_program(&built, "wide+pinning", built.wide[3].instructions,
			      built.wide[3].count);
		for (unsigned grants = 0; grants < BUILT_GRANTS; grants++) {
			char name[64] = "narrow";

			for (unsigned bit = 0; bit < sizeof(PROFILES) / sizeof(PROFILES[0]); bit++)
				if (grants & 1u << bit)
					strcat(name, PROFILES[bit]);
			print_program(&built, name, built.narrow[grants].instructions,
				      built.narrow[grants].count);
		}
		built_deinit(&built);
	}
	return 0;
}
