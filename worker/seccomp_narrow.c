/*
 * Assembles the narrow filter for one worker: a few dozen instructions, since its installation is
 * on the path of every job. The wide filter below it stays in force; of two refusals the kernel
 * reports this one's errno.
 *
 * Form: load and check the machine, load the number, one comparison for each call, then the
 * returns. A call whose arguments matter jumps to a block of its own behind the comparisons. Jumps
 * are forward and at most 255 instructions long, so addresses are filled in when all is laid out.
 * Called by worker_main.c only; cannot fail (the size is checked by require and by the unit test).
 */
#define _GNU_SOURCE
#include "worker/seccomp_narrow.h"

#include "protocol/base_assert.h"
#include "worker/seccomp_narrow_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define FOREIGN_NR 0x40000000u /* x32 numbers start here */

/* A jump that is not yet resolved: index of its instruction and where it goes if true. */
struct jump {
	size_t at;
	enum seccomp_narrow_target target;
};

struct assembly {
	const struct seccomp_narrow_machine *machine;
	struct seccomp_narrow *program;
	struct jump jumps[SECCOMP_NARROW_MAX];
	size_t jump_count;
	size_t address[SECCOMP_NARROW_TO_COUNT];
};

static void
put(struct assembly *assembly, uint16_t code, uint32_t k)
{
	struct seccomp_narrow *program = assembly->program;

	require(program->count < SECCOMP_NARROW_MAX);
	program->instructions[program->count++] = (struct sock_filter)BPF_STMT(code, k);
}

/* if (accumulator op k) go to target; else the next instruction. */
static void
put_jump(struct assembly *assembly, uint16_t op, uint32_t k, enum seccomp_narrow_target target)
{
	assembly->jumps[assembly->jump_count++] = (struct jump){assembly->program->count, target};
	put(assembly, (uint16_t)(BPF_JMP | op | BPF_K), k);
}

static void
put_load(struct assembly *assembly, size_t offset)
{
	put(assembly, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* The target starts at the next instruction. */
static void
place(struct assembly *assembly, enum seccomp_narrow_target target)
{
	assembly->address[target] = assembly->program->count;
}

static void
put_return(struct assembly *assembly, enum seccomp_narrow_target target, uint32_t value)
{
	place(assembly, target);
	put(assembly, BPF_RET | BPF_K, value);
}

#define LOW_HALF(argument)                                                                         \
	(offsetof(struct seccomp_data, args) + 8 * (argument) +                                    \
	 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
#define HIGH_HALF(argument)                                                                        \
	(offsetof(struct seccomp_data, args) + 8 * (argument) +                                    \
	 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0 : 4))
#define REFUSED(error) (SECCOMP_RET_ERRNO | ((uint32_t)(error)&SECCOMP_RET_DATA))

static void
put_head(struct assembly *assembly, unsigned grants)
{
	put_load(assembly, offsetof(struct seccomp_data, arch));
	put(assembly, BPF_JMP | BPF_JEQ | BPF_K, assembly->machine->audit_arch);
	assembly->program->instructions[assembly->program->count - 1].jt = 1;
	put(assembly, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	put_load(assembly, offsetof(struct seccomp_data, nr));
	put_jump(assembly, BPF_JGE, FOREIGN_NR, TO_KILL);
	for (size_t i = 0; i < assembly->machine->row_count; i++) {
		const struct seccomp_narrow_row *row = &assembly->machine->rows[i];

		if (!(grants & row->unless) && (!row->with || grants & row->with))
			put_jump(assembly, BPF_JEQ, row->number, row->target);
	}
	put(assembly, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

/*
 * To itself, and not SIGSYS: a death by it then proves a call of the kill list. Falls through when
 * it is for another process.
 */
static void
put_own_signal(struct assembly *assembly, pid_t own_pid, unsigned signal_argument)
{
	put_load(assembly, LOW_HALF(signal_argument));
	put_jump(assembly, BPF_JEQ, SIGSYS, TO_EPERM);
	put_load(assembly, LOW_HALF(0));
	put_jump(assembly, BPF_JEQ, (uint32_t)own_pid, TO_ALLOW);
}

static void
put_blocks(struct assembly *assembly, pid_t own_pid)
{
	place(assembly, TO_OPENAT); /* without scratch; the wide filter has no other that writes */
	put_load(assembly, LOW_HALF(2));
	put_jump(assembly, BPF_JSET, O_WRONLY | O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND,
		 TO_EROFS);
	put(assembly, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	place(assembly, TO_PRLIMIT); /* reading only; the wide filter wants pid 0 */
	put_load(assembly, LOW_HALF(2));
	put_jump(assembly, BPF_JSET, UINT32_MAX, TO_EPERM);
	put_load(assembly, HIGH_HALF(2));
	put_jump(assembly, BPF_JSET, UINT32_MAX, TO_EPERM);
	put(assembly, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	place(assembly, TO_MADVISE);
	put_load(assembly, LOW_HALF(2));
	put_jump(assembly, BPF_JEQ, MADV_POPULATE_WRITE, TO_EINVAL);
	put(assembly, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	place(assembly, TO_OWN_PID_OR_0);
	put_load(assembly, LOW_HALF(0));
	put_jump(assembly, BPF_JEQ, 0, TO_ALLOW);
	put_jump(assembly, BPF_JEQ, (uint32_t)own_pid, TO_ALLOW);
	put(assembly, BPF_RET | BPF_K, REFUSED(EPERM));
	place(assembly, TO_OWN_TGKILL);
	put_own_signal(assembly, own_pid, 2);
	put(assembly, BPF_RET | BPF_K, REFUSED(EPERM));
	place(assembly, TO_OWN_KILL);
	put_own_signal(assembly, own_pid, 1);

	put_return(assembly, TO_EPERM, REFUSED(EPERM));
	put_return(assembly, TO_ENOSYS, REFUSED(ENOSYS));
	put_return(assembly, TO_ECHILD, REFUSED(ECHILD));
	put_return(assembly, TO_EROFS, REFUSED(EROFS));
	put_return(assembly, TO_EINVAL, REFUSED(EINVAL));
	put_return(assembly, TO_KILL, SECCOMP_RET_KILL_PROCESS);
	put_return(assembly, TO_ALLOW, SECCOMP_RET_ALLOW);
}

void
seccomp_narrow_build_for(const struct seccomp_narrow_machine *machine, pid_t own_pid,
			 unsigned grants, struct seccomp_narrow *ret_narrow)
{
	struct assembly assembly = {.machine = machine, .program = ret_narrow};

	require(own_pid > 1);
	ret_narrow->count = 0;
	put_head(&assembly, grants);
	put_blocks(&assembly, own_pid);
	for (size_t i = 0; i < assembly.jump_count; i++) {
		const struct jump *jump = &assembly.jumps[i];
		size_t distance = assembly.address[jump->target] - jump->at - 1;

		require(distance <= UINT8_MAX);
		ret_narrow->instructions[jump->at].jt = (uint8_t)distance;
	}
}

void
seccomp_narrow_build(pid_t own_pid, unsigned grants, struct seccomp_narrow *ret_narrow)
{
#if defined(__x86_64__)
	const struct seccomp_narrow_machine *machine = &seccomp_narrow_x86_64;
#elif defined(__aarch64__)
	const struct seccomp_narrow_machine *machine = &seccomp_narrow_aarch64;
#else
#error "no system call policy for this machine"
#endif
	seccomp_narrow_build_for(machine, own_pid, grants, ret_narrow);
}
