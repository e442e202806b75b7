/*
 * A spawner's state with a stintd that is a socket of the test's, two trees, and stand-ins for what
 * makes processes and control groups. The linker's --wrap puts them in (spawner.am).
 */
#ifndef STINT_TESTS_UNIT_SPAWNER_FIXTURE_H
#define STINT_TESTS_UNIT_SPAWNER_FIXTURE_H

#include "worker/spawner.h"
#include "worker/spawner_exec.h"

#include <setjmp.h>

#define FIXTURE_UID       4711u
#define FIXTURE_UID_BASE  1000000u
#define FIXTURE_UID_COUNT 1024u
#define FIXTURE_TREES     2
#define FIXTURE_LAYERS    5u
#define FIXTURE_WORDS_MAX 64

/* In the order in which a start of a generation comes to them. */
enum spawner_fixture_step {
	FIXTURE_NONE,
	FIXTURE_GROUPS,
	FIXTURE_LINK,
	FIXTURE_DIRECTORIES, /* stintd's */
	FIXTURE_DIRECTORIES_AGAIN,
	FIXTURE_ENTRANCE,
	FIXTURE_EXEC,
	FIXTURE_REMOVE,
};

struct spawner_fixture {
	struct spawner spawner;
	int peer_fd;                    /* stintd's end of the link, or -1 */
	enum spawner_fixture_step fail; /* once; then failed is it */
	enum spawner_fixture_step failed;
	int fail_sys; /* the errno, or 0: a failure without one */
	bool landlock;
	unsigned directories; /* asked for in this start */
	unsigned removed, removed_children, group_kills, zygote_kills, daemon_kills;
	gid_t group_owner;
	struct spawner_exec plan; /* of the last exec; its pointers are not valid any more */
	char words[FIXTURE_WORDS_MAX][64];
	size_t word_count;
	bool aborts;
	jmp_buf abort_to;
};

/* The one there is; aborts the test when it cannot be made. STARTING, with nothing live. */
struct spawner_fixture *spawner_fixture_setup(void);
void spawner_fixture_teardown(struct spawner_fixture *fixture);
/* What followed `option` on the last command line, or "". */
const char *spawner_fixture_argument(const struct spawner_fixture *fixture, const char *option);
/* How many descriptors this process has. */
unsigned spawner_fixture_open_fds(void);

/* The call ends in a require() that does not hold. */
#define FIXTURE_ABORTS(fixture, call)                                                              \
	do {                                                                                       \
		(fixture)->aborts = true;                                                          \
		if (setjmp((fixture)->abort_to) == 0) {                                            \
			(void)(call);                                                              \
			fail_msg("%s did not abort", #call);                                       \
		}                                                                                  \
		(fixture)->aborts = false;                                                         \
	} while (0)

#endif
