/*
 * The checker follows the rules of bpf_check_classic() and of seccomp_check_filter(): a short list
 * of instructions, aligned loads inside struct seccomp_data, jumps inside the program, a return at
 * the end, no constant division by zero or shift by 32, no scratch word read that not every path to
 * it has written. The machine checks each of these again while it runs and stops after `count`
 * steps, which is more than a program without backward jumps can make.
 */
#include "bpf_machine.h"

#include <stdbool.h>
#include <string.h>

struct machine {
	const struct seccomp_data *data;
	uint32_t a, x, memory[BPF_MEMWORDS];
	uint32_t written; /* bit for each word */
};

enum kind { KIND_UNKNOWN, KIND_JUMP, KIND_ALU, KIND_RETURN, KIND_MOVE };

#define BOTH(code, kind) [(code) | BPF_K] = (kind), [(code) | BPF_X] = (kind)

/* Every instruction that seccomp takes. No BPF_MOD: classic BPF has it, seccomp does not. */
static const uint8_t KINDS[256] = {
    [BPF_JMP | BPF_JA] = KIND_JUMP,
    BOTH(BPF_JMP | BPF_JEQ, KIND_JUMP),
    BOTH(BPF_JMP | BPF_JGE, KIND_JUMP),
    BOTH(BPF_JMP | BPF_JGT, KIND_JUMP),
    BOTH(BPF_JMP | BPF_JSET, KIND_JUMP),
    BOTH(BPF_ALU | BPF_ADD, KIND_ALU),
    BOTH(BPF_ALU | BPF_SUB, KIND_ALU),
    BOTH(BPF_ALU | BPF_MUL, KIND_ALU),
    BOTH(BPF_ALU | BPF_DIV, KIND_ALU),
    BOTH(BPF_ALU | BPF_AND, KIND_ALU),
    BOTH(BPF_ALU | BPF_OR, KIND_ALU),
    BOTH(BPF_ALU | BPF_XOR, KIND_ALU),
    BOTH(BPF_ALU | BPF_LSH, KIND_ALU),
    BOTH(BPF_ALU | BPF_RSH, KIND_ALU),
    [BPF_ALU | BPF_NEG] = KIND_ALU,
    [BPF_RET | BPF_K] = KIND_RETURN,
    [BPF_RET | BPF_A] = KIND_RETURN,
    [BPF_LD | BPF_W | BPF_ABS] = KIND_MOVE,
    [BPF_LD | BPF_W | BPF_LEN] = KIND_MOVE,
    [BPF_LDX | BPF_W | BPF_LEN] = KIND_MOVE,
    [BPF_LD | BPF_IMM] = KIND_MOVE,
    [BPF_LDX | BPF_IMM] = KIND_MOVE,
    [BPF_LD | BPF_MEM] = KIND_MOVE,
    [BPF_LDX | BPF_MEM] = KIND_MOVE,
    [BPF_ST] = KIND_MOVE,
    [BPF_STX] = KIND_MOVE,
    [BPF_MISC | BPF_TAX] = KIND_MOVE,
    [BPF_MISC | BPF_TXA] = KIND_MOVE,
};

/* Looked up, since the golden tables run thousands of millions of instructions. */
static inline enum kind
kind_of(uint16_t code)
{
	return code < sizeof(KINDS) ? (enum kind)KINDS[code] : KIND_UNKNOWN;
}

static bool
uses_memory(uint16_t code)
{
	return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM) || code == BPF_ST ||
	       code == BPF_STX;
}

/* What one instruction may be, apart from where it jumps. */
static inline const char *
check_instruction(const struct sock_filter *now)
{
	enum kind kind = kind_of(now->code);

	if (kind == KIND_UNKNOWN)
		return "an instruction that seccomp does not take";
	if (kind == KIND_JUMP || kind == KIND_RETURN)
		return NULL;
	if (now->code == (BPF_LD | BPF_W | BPF_ABS) &&
	    (now->k >= sizeof(struct seccomp_data) || now->k % 4 != 0))
		return "a load outside the data or across words";
	if (uses_memory(now->code) && now->k >= BPF_MEMWORDS)
		return "a scratch word that does not exist";
	if (now->code == (BPF_ALU | BPF_DIV | BPF_K) && now->k == 0)
		return "a division by zero";
	if ((now->code == (BPF_ALU | BPF_LSH | BPF_K) ||
	     now->code == (BPF_ALU | BPF_RSH | BPF_K)) &&
	    now->k >= 32)
		return "a shift by more than 31";
	return NULL;
}

static inline bool
jumps_inside(const struct sock_filter *now, size_t at, size_t count)
{
	size_t left = count - at - 1;

	if (kind_of(now->code) != KIND_JUMP)
		return true;
	if (now->code == (BPF_JMP | BPF_JA))
		return now->k < left;
	return now->jt < left && now->jf < left;
}

/* Words that every path to an instruction has written; starts as all ones, ANDed at each edge. */
static const char *
check_memory(const struct sock_filter *program, size_t count)
{
	static uint16_t known[BPF_MAXINSNS];
	uint16_t valid = 0;

	memset(known, 0xff, sizeof(known));
	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *now = &program[at];

		valid &= known[at];
		if (now->code == BPF_ST || now->code == BPF_STX) {
			valid |= (uint16_t)(1u << now->k);
		} else if (uses_memory(now->code)) {
			if (!(valid & (1u << now->k)))
				return "a scratch word is read before it is written";
		} else if (now->code == (BPF_JMP | BPF_JA)) {
			known[at + 1 + now->k] &= valid;
			valid = 0xffff;
		} else if (kind_of(now->code) == KIND_JUMP) {
			known[at + 1 + now->jt] &= valid;
			known[at + 1 + now->jf] &= valid;
			valid = 0xffff;
		}
	}
	return NULL;
}

const char *
bpf_machine_check(const struct sock_filter *program, size_t count)
{
	if (count == 0 || count > BPF_MAXINSNS)
		return "no program, or one of more than 4096 instructions";
	for (size_t at = 0; at < count; at++) {
		const char *wrong = check_instruction(&program[at]);

		if (wrong)
			return wrong;
		if (!jumps_inside(&program[at], at, count))
			return "a jump out of the program";
	}
	if (BPF_CLASS(program[count - 1].code) != BPF_RET)
		return "no return at the end";
	return check_memory(program, count);
}

static const char *
calculate(struct machine *machine, const struct sock_filter *now, bool *ret_ends)
{
	uint32_t operand = BPF_SRC(now->code) == BPF_X ? machine->x : now->k;

	*ret_ends = false;
	switch (BPF_OP(now->code)) {
	case BPF_ADD:
		machine->a += operand;
		return NULL;
	case BPF_SUB:
		machine->a -= operand;
		return NULL;
	case BPF_MUL:
		machine->a *= operand;
		return NULL;
	case BPF_DIV:
		*ret_ends = operand == 0; /* the kernel then returns 0 */
		machine->a = operand == 0 ? 0 : machine->a / operand;
		return NULL;
	case BPF_AND:
		machine->a &= operand;
		return NULL;
	case BPF_OR:
		machine->a |= operand;
		return NULL;
	case BPF_XOR:
		machine->a ^= operand;
		return NULL;
	case BPF_LSH:
		machine->a <<= operand & 31;
		return NULL;
	case BPF_RSH:
		machine->a >>= operand & 31;
		return NULL;
	case BPF_NEG:
		machine->a = 0 - machine->a;
		return NULL;
	}
	return "an operation that is not known";
}

static const char *
move(struct machine *machine, const struct sock_filter *now)
{
	switch (now->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		memcpy(&machine->a, (const char *)machine->data + now->k, sizeof(machine->a));
		return NULL;
	case BPF_LD | BPF_W | BPF_LEN:
		machine->a = sizeof(struct seccomp_data);
		return NULL;
	case BPF_LDX | BPF_W | BPF_LEN:
		machine->x = sizeof(struct seccomp_data);
		return NULL;
	case BPF_LD | BPF_IMM:
		machine->a = now->k;
		return NULL;
	case BPF_LDX | BPF_IMM:
		machine->x = now->k;
		return NULL;
	case BPF_MISC | BPF_TAX:
		machine->x = machine->a;
		return NULL;
	case BPF_MISC | BPF_TXA:
		machine->a = machine->x;
		return NULL;
	case BPF_ST:
	case BPF_STX:
		machine->memory[now->k] = now->code == BPF_ST ? machine->a : machine->x;
		machine->written |= 1u << now->k;
		return NULL;
	}
	if (!(machine->written & (1u << now->k)))
		return "a scratch word is read before it is written";
	*(BPF_CLASS(now->code) == BPF_LD ? &machine->a : &machine->x) = machine->memory[now->k];
	return NULL;
}

static inline bool
holds(const struct machine *machine, const struct sock_filter *now)
{
	uint32_t operand = BPF_SRC(now->code) == BPF_X ? machine->x : now->k;

	switch (BPF_OP(now->code)) {
	case BPF_JEQ:
		return machine->a == operand;
	case BPF_JGE:
		return machine->a >= operand;
	case BPF_JGT:
		return machine->a > operand;
	}
	return machine->a & operand;
}

const char *
bpf_machine_run(const struct sock_filter *program, size_t count, const struct seccomp_data *data,
		uint32_t *ret_value)
{
	struct machine machine = {.data = data};

	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *now = &program[at];
		const char *wrong = check_instruction(now);
		enum kind kind = kind_of(now->code);
		bool ends = false;

		if (wrong)
			return wrong;
		if (kind == KIND_RETURN) {
			*ret_value = BPF_RVAL(now->code) == BPF_K ? now->k : machine.a;
			return NULL;
		}
		if (!jumps_inside(now, at, count))
			return "a jump out of the program";
		if (now->code == (BPF_JMP | BPF_JA))
			at += now->k;
		else if (kind == KIND_JUMP)
			at += holds(&machine, now) ? now->jt : now->jf;
		else if (kind == KIND_ALU)
			wrong = calculate(&machine, now, &ends);
		else
			wrong = move(&machine, now);
		if (wrong)
			return wrong;
		if (ends) {
			*ret_value = 0;
			return NULL;
		}
	}
	return "no return at the end";
}

uint32_t
bpf_machine_stricter(uint32_t newer, uint32_t older)
{
	int32_t first = (int32_t)(newer & SECCOMP_RET_ACTION_FULL);
	int32_t second = (int32_t)(older & SECCOMP_RET_ACTION_FULL);

	return second < first ? older : newer;
}
