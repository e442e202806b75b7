/*
 * Landlock: what a worker may do with files, on top of the mount tree and the filter.
 *
 * The zygote makes the ruleset once, in its final root; a worker only enters it, one system call.
 * Handled is every right that the running kernel knows, found by asking for each, so that a newer
 * kernel's rights are denied too without a line here; allowed is reading files and directories
 * below the root. Constants are our own: the C library's headers may be older than the kernel.
 *
 * Never allocates, never logs. Called by zygote_main.c, and by sandbox.c in a worker, which ends
 * when it fails. Refused accesses are not written to the audit log where that can be said: a
 * tenant could fill it.
 */
#define _GNU_SOURCE
#include "worker/sandbox_landlock.h"

#include "protocol/base_sys.h"
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CREATE_RULESET_VERSION     1u
#define RESTRICT_LOG_SAME_EXEC_OFF 1u
#define RESTRICT_LOG_ABI           7 /* the first with that flag */
#define RULE_PATH_BENEATH          1u
#define RIGHTS_MAX                 64

enum fs_right {
	FS_WRITE_FILE = 1u << 1,
	FS_READ_FILE = 1u << 2,
	FS_READ_DIR = 1u << 3,
	FS_REMOVE_DIR = 1u << 4,
	FS_REMOVE_FILE = 1u << 5,
	FS_MAKE_DIR = 1u << 7,
	FS_MAKE_REG = 1u << 8,
	FS_REFER = 1u << 13,
	FS_TRUNCATE = 1u << 14,
};
#define FS_READ ((uint64_t)(FS_READ_FILE | FS_READ_DIR))
#define FS_WRITE                                                                                   \
	((uint64_t)(FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |   \
		    FS_REFER | FS_TRUNCATE))

/* The kernel's structures. A longer one than it knows is fine while the rest is zero. */
struct ruleset_attributes {
	uint64_t rights[3]; /* fs, net, scoped */
};

struct path_attributes {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static int
create_ruleset(const struct ruleset_attributes *attributes)
{
	long fd = syscall(SYS_landlock_create_ruleset, attributes, sizeof(*attributes), 0);

	return fd < 0 ? -errno : (int)fd;
}

int
sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* Rights are numbered without a gap in each of the three words. */
static uint64_t
known_rights(unsigned word)
{
	uint64_t known = 0;

	for (unsigned bit = 0; bit < RIGHTS_MAX; bit++) {
		struct ruleset_attributes attributes = {{0}};
		int fd;

		attributes.rights[word] = UINT64_C(1) << bit;
		fd = create_ruleset(&attributes);
		if (fd < 0)
			break;
		base_close(&fd);
		known |= UINT64_C(1) << bit;
	}
	return known;
}

int
sandbox_landlock_rules(const struct sandbox_landlock *landlock,
		       const struct sandbox_landlock_tree *trees, size_t count)
{
	const struct ruleset_attributes attributes = {
	    {landlock->fs, landlock->net, landlock->scoped}};
	int ruleset = create_ruleset(&attributes);

	for (size_t i = 0; i < count && ruleset >= 0; i++) {
		const struct path_attributes path = {
		    landlock->fs & (FS_READ | (trees[i].writable ? FS_WRITE : 0)), trees[i].fd};

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &path, 0) < 0) {
			int error = errno;

			base_close(&ruleset);
			return -error;
		}
	}
	return ruleset;
}

int
sandbox_landlock_open(struct sandbox_landlock *ret_landlock, struct error *err)
{
	struct sandbox_landlock landlock = {.ruleset = -1};
	struct sandbox_landlock_tree tree = {.fd = -1};
	int abi = sandbox_landlock_abi();

	if (abi == 0)
		return error_set(err, ERROR_UNSUPPORTED,
				 "landlock: this kernel has none: boot with landlock in the lsm= "
				 "list, Linux 5.13 or newer; or set isolation = reduced");
	landlock.fs = known_rights(0);
	landlock.net = known_rights(1);
	landlock.scoped = known_rights(2);
	landlock.flags = abi >= RESTRICT_LOG_ABI ? RESTRICT_LOG_SAME_EXEC_OFF : 0;
	if ((landlock.fs & FS_READ) != FS_READ)
		return error_set(err, ERROR_UNSUPPORTED, "landlock: no rights on files, version %d",
				 abi);
	tree.fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree.fd < 0)
		return error_errno(err, "landlock: open of the root");
	landlock.ruleset = sandbox_landlock_rules(&landlock, &tree, 1);
	base_close(&tree.fd);
	if (landlock.ruleset < 0) {
		errno = -landlock.ruleset;
		return error_errno(err, "landlock: rules of the root");
	}
	*ret_landlock = landlock;
	return 0;
}

void
sandbox_landlock_close(struct sandbox_landlock *landlock)
{
	base_close(&landlock->ruleset);
}

/* Rules of a worker with a directory of its own, which no other can have made before. */
static int
own_rules(const struct sandbox *sandbox)
{
	struct sandbox_landlock_tree trees[] = {
	    {open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), false},
	    {open(sandbox->writable, O_RDONLY | O_DIRECTORY | O_CLOEXEC), true},
	};
	int rules;

	if (trees[0].fd < 0 || trees[1].fd < 0)
		rules = -errno;
	else
		rules = sandbox_landlock_rules(sandbox->landlock, trees, 2);
	base_close(&trees[0].fd);
	base_close(&trees[1].fd);
	return rules;
}

int
sandbox_landlock_enter(struct sandbox *sandbox)
{
	const struct sandbox_landlock *landlock = sandbox->landlock;
	int rules = SANDBOX_FD_RULES;

	if (!landlock) /* --landlock off: the zygote has said so in the log */
		return 0;
	if (sandbox->writable) {
		int own = own_rules(sandbox);

		if (own < 0)
			return own;
		if (dup2(own, SANDBOX_FD_RULES) < 0)
			return -errno;
		base_close(&own);
	}
	if (syscall(SYS_landlock_restrict_self, SANDBOX_FD_RULES, landlock->flags) < 0)
		return -errno;
	base_close(&rules);
	return 0;
}
