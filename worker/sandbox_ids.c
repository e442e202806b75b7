/*
 * Ids, capabilities and the flags that keep them gone, for the zygote and for a worker.
 *
 * The zygote empties the bounding set and locks the securebits once; its children inherit both. It
 * keeps SETUID and SETGID, by which a worker takes its own id, KILL, since its workers have other
 * ids, and where jobs may have scratch directories SYS_ADMIN (of its own user namespace) for such a
 * worker's mount namespace and one mount; the wide filter leaves nothing else to do with it. A
 * worker then has none, and proves it by asking. Never allocates, never logs. Fails by -errno; the
 * caller ends.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY_WORDS   _LINUX_CAPABILITY_U32S_3
#define BIT_OF(capability) (1u << (capability))

#define SECUREBITS                                                                                 \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED |                          \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |                             \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int
set_capabilities(unsigned low)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[CAPABILITY_WORDS];

	memset(data, 0, sizeof(data));
	data[0].effective = data[0].permitted = low;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int
check_no_capabilities(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[CAPABILITY_WORDS];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < CAPABILITY_WORDS; i++)
		if (data[i].effective | data[i].permitted | data[i].inheritable)
			return -EPERM;
	return 0;
}

static bool
has_ids(uid_t uid)
{
	return getuid() == uid && geteuid() == uid && getgid() == uid && getegid() == uid;
}

/* In the namespace of an ordinary user the kernel lets nobody give groups up: they stay. */
static int
leave_groups(bool shared_account)
{
	int left;

	if (shared_account)
		return 0;
	if (setgroups(0, NULL) < 0 || (left = getgroups(0, NULL)) < 0)
		return -errno;
	return left == 0 ? 0 : -EPERM;
}

int
sandbox_ids_take(struct sandbox *sandbox)
{
	uid_t uid = sandbox->uid;
	int result;

	if (uid == 0)
		return -EINVAL;
	result = leave_groups(sandbox->shared_account);
	if (result < 0)
		return result;
	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return has_ids(uid) ? 0 : -EPERM;
}

int
sandbox_ids_drop_capabilities(struct sandbox *sandbox)
{
	int result = set_capabilities(0);

	(void)sandbox;
	return result < 0 ? result : check_no_capabilities();
}

/*
 * no_new_privs and the securebits are inherited from the zygote and looked at; dumpable is set
 * anew, since a change of uid can bring it back, and read back.
 */
int
sandbox_ids_lock(struct sandbox *sandbox)
{
	int set = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	(void)sandbox;
	if (set < 0 || bits < 0)
		return -errno;
	if (set != 1 || bits != SECUREBITS)
		return -EPERM;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	set = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (set < 0)
		return -errno;
	return set == 0 ? 0 : -EPERM;
}

static int
empty_bounding_set(void)
{
	for (unsigned long i = 0; i < 64; i++) {
		int held = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

		/* Above the last one; never below those that every kernel has. */
		if (held < 0)
			return errno == EINVAL && i > CAP_LAST_CAP ? 0 : -errno;
		if (held && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int
sandbox_ids_confine_zygote(bool shared_account, bool scratch)
{
	int result = leave_groups(shared_account);

	if (result < 0)
		return result;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	result = empty_bounding_set();
	if (result < 0)
		return result;
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
		return -errno;
	result = set_capabilities(BIT_OF(CAP_SETUID) | BIT_OF(CAP_SETGID) | BIT_OF(CAP_KILL) |
				  (scratch ? BIT_OF(CAP_SYS_ADMIN) : 0));
	if (result < 0)
		return result;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
