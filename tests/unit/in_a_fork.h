/*
 * What can be done once in a process, done in a fork; and whether a fork has its own of what it
 * writes. After cmocka.h.
 */
#ifndef STINT_TESTS_UNIT_IN_A_FORK_H
#define STINT_TESTS_UNIT_IN_A_FORK_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "line %d: %s\n", __LINE__, #condition);              \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static inline void
in_a_fork(int (*live)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(live());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What a fork writes is its own. */
static inline int
is_private(volatile unsigned char *byte)
{
	int status = -1;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		*byte = (unsigned char)(*byte + 1);
		_exit(*byte);
	}
	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	MUST(WEXITSTATUS(status) == *byte + 1);
	return 0;
}

#endif
