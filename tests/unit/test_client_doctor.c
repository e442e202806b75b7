/*
 * The checks of `stint doctor` on machines made of files: a good one, and one fault at a time.
 * Every row of the table is put to the test: each must be ok on the good machine and say no on some
 * other.
 */
#define _GNU_SOURCE
#include "client/client_doctor_check.h"
#include "tests/unit/cmocka_headers.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	const char *path, *text; /* text NULL: there is no such file */
};

#define MOUNTS_V2 "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
#define MOUNTS_V1                                                                                  \
	"none /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"                                        \
	"none /sys/fs/cgroup/c cgroup rw,cpu,cpuacct 0 0\n"                                        \
	"none /sys/fs/cgroup/pids cgroup rw,pids 0 0\n"

static const struct file GOOD[] = {
    {"proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"},
    {"proc/sys/user/max_user_namespaces", "96365\n"},
    {"proc/sys/user/max_pid_namespaces", "96365\n"},
    {"proc/sys/user/max_mnt_namespaces", "96365\n"},
    {"proc/sys/user/max_net_namespaces", "96365\n"},
    {"proc/sys/user/max_ipc_namespaces", "96365\n"},
    {"proc/sys/user/max_uts_namespaces", "96365\n"},
    {"proc/sys/kernel/seccomp/actions_avail", "kill_process kill_thread trap errno log allow\n"},
    {"sys/kernel/security/lsm", "lockdown,capability,landlock,yama,apparmor\n"},
    {"proc/self/mounts", "proc /proc proc rw 0 0\n" MOUNTS_V2},
    {"proc/self/cgroup", "0::/user.slice\n"},
    {"sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"},
    {"sys/fs/cgroup/user.slice/cgroup.procs", ""},
    {"usr/lib/python3.11/os.py", ""},
    {"proc/swaps", "Filename Type Size Used Priority\n"},
    {"sys/devices/system/cpu/smt/active", "0\n"},
    {"sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"},
    {"sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: IBRS\n"},
    {"sys/kernel/mm/ksm/run", "0\n"},
    {"proc/sys/kernel/core_pattern", "core\n"},
    {"sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"},
    {"proc/modules", "loop 32768 0 - Live 0x0\n"},
    {"proc/sys/kernel/io_uring_disabled", "2\n"},
    {"proc/sys/kernel/unprivileged_userns_clone", "0\n"},
    {"proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n"},
    {"proc/sys/kernel/unprivileged_bpf_disabled", "2\n"},
    {"proc/sys/kernel/yama/ptrace_scope", "1\n"},
    {"proc/sys/kernel/perf_event_paranoid", "3\n"},
    {"proc/sys/vm/unprivileged_userfaultfd", "0\n"},
    {"proc/sys/kernel/kptr_restrict", "1\n"},
    {"proc/sys/kernel/dmesg_restrict", "1\n"},
    {"proc/sys/kernel/randomize_va_space", "2\n"},
    {"proc/sys/fs/protected_hardlinks", "1\n"},
    {"proc/sys/fs/protected_symlinks", "1\n"},
    {"proc/sys/fs/protected_fifos", "1\n"},
    {"proc/sys/fs/protected_regular", "2\n"},
    {"proc/sys/kernel/pid_max", "4194304\n"},
    {"proc/sys/fs/pipe-user-pages-soft", "16384\n"},
    {"proc/sys/vm/overcommit_memory", "0\n"},
    {"sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"},
    {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"},
};

/* One file other than on the good machine; the finding of that row. */
static const struct fault {
	const char *check;
	struct file file;
	enum client_doctor_state state;
	const char *found; /* part of it */
} FAULTS[] = {
    {"kernel", {"proc/sys/kernel/osrelease", "5.10.0-28-amd64\n"}, CLIENT_DOCTOR_MISSING, "5.10"},
    {"kernel", {"proc/sys/kernel/osrelease", "4.19\n"}, CLIENT_DOCTOR_MISSING, "4.19"},
    {"kernel", {"proc/sys/kernel/osrelease", NULL}, CLIENT_DOCTOR_MISSING, "not there"},
    {"user_namespaces", {"proc/sys/user/max_user_namespaces", "0\n"}, CLIENT_DOCTOR_MISSING, "0"},
    {"user_namespaces", {"proc/sys/user/max_user_namespaces", NULL}, CLIENT_DOCTOR_MISSING, ""},
    {"pid_namespaces", {"proc/sys/user/max_pid_namespaces", "1\n"}, CLIENT_DOCTOR_MISSING, "1"},
    {"mount_namespaces", {"proc/sys/user/max_mnt_namespaces", "2\n"}, CLIENT_DOCTOR_MISSING, "2"},
    {"net_namespaces", {"proc/sys/user/max_net_namespaces", "\n"}, CLIENT_DOCTOR_MISSING, ""},
    {"ipc_namespaces", {"proc/sys/user/max_ipc_namespaces", "-1\n"}, CLIENT_DOCTOR_MISSING, "-1"},
    {"uts_namespaces", {"proc/sys/user/max_uts_namespaces", "x\n"}, CLIENT_DOCTOR_MISSING, "x"},
    {"seccomp_filter",
     {"proc/sys/kernel/seccomp/actions_avail", "kill_thread trap errno\n"},
     CLIENT_DOCTOR_MISSING,
     "kill_thread"},
    {"landlock", {"sys/kernel/security/lsm", "capability,yama\n"}, CLIENT_DOCTOR_MISSING, "yama"},
    {"landlock", {"sys/kernel/security/lsm", NULL}, CLIENT_DOCTOR_UNKNOWN, "not there"},
    {"cgroup_memory", {"proc/self/mounts", "proc /proc proc rw 0 0\n"}, CLIENT_DOCTOR_MISSING, ""},
    {"cgroup_memory",
     {"sys/fs/cgroup/cgroup.controllers", "cpu pids\n"},
     CLIENT_DOCTOR_MISSING,
     "cpu pids"},
    {"cgroup_memory", {"proc/self/mounts", MOUNTS_V1}, CLIENT_DOCTOR_OK, "v1 at"},
    {"cgroup_cpu", {"sys/fs/cgroup/cgroup.controllers", "pids\n"}, CLIENT_DOCTOR_OK, "v2 at"},
    {"cgroup_cpu", {"proc/self/mounts", MOUNTS_V1}, CLIENT_DOCTOR_OK, "/sys/fs/cgroup/c"},
    {"cgroup_cpu", {"proc/self/mounts", ""}, CLIENT_DOCTOR_MISSING, "not there"},
    {"cgroup_weight", {"sys/fs/cgroup/cgroup.controllers", "pids\n"}, CLIENT_DOCTOR_RISK, "pids"},
    {"cgroup_weight", {"proc/self/mounts", MOUNTS_V1}, CLIENT_DOCTOR_OK, "/sys/fs/cgroup/c"},
    {"cgroup_pids", {"sys/fs/cgroup/cgroup.controllers", "\n"}, CLIENT_DOCTOR_MISSING, "no contr"},
    {"cgroup_kill", {"proc/self/mounts", MOUNTS_V1}, CLIENT_DOCTOR_MISSING, "not mounted"},
    {"cgroup_delegation", {"proc/self/cgroup", "0::/elsewhere\n"}, CLIENT_DOCTOR_RISK, "elsewhere"},
    {"cgroup_delegation", {"proc/self/cgroup", "4:pids:/\n"}, CLIENT_DOCTOR_RISK, "no unified"},
    {"standard_library", {"usr/lib/python3.11/os.py", NULL}, CLIENT_DOCTOR_MISSING, "not there"},
    {"swap",
     {"proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2\n"},
     CLIENT_DOCTOR_RISK,
     "in use"},
    {"smt", {"sys/devices/system/cpu/smt/active", "1\n"}, CLIENT_DOCTOR_RISK, "1"},
    {"smt", {"sys/devices/system/cpu/smt/active", NULL}, CLIENT_DOCTOR_OK, "not there"},
    {"cpu_vulnerabilities",
     {"sys/devices/system/cpu/vulnerabilities/meltdown", "Vulnerable: no PTI\n"},
     CLIENT_DOCTOR_RISK,
     "meltdown"},
    {"ksm", {"sys/kernel/mm/ksm/run", "1\n"}, CLIENT_DOCTOR_RISK, "1"},
    {"core_pattern",
     {"proc/sys/kernel/core_pattern", "|/lib/systemd/systemd-coredump %P\n"},
     CLIENT_DOCTOR_RISK,
     "|/lib"},
    {"transparent_hugepages",
     {"sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"},
     CLIENT_DOCTOR_RISK,
     "[always]"},
    {"af_alg", {"proc/modules", "af_alg 28672 0 - Live 0x0\n"}, CLIENT_DOCTOR_RISK, "loaded"},
    {"af_alg",
     {"lib/modules/6.1.0-18-amd64/kernel/crypto/af_alg.ko.xz", ""},
     CLIENT_DOCTOR_RISK,
     "can be loaded"},
    {"io_uring_disabled", {"proc/sys/kernel/io_uring_disabled", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"io_uring_disabled", {"proc/sys/kernel/io_uring_disabled", NULL}, CLIENT_DOCTOR_UNKNOWN, ""},
    {"unprivileged_userns_clone",
     {"proc/sys/kernel/unprivileged_userns_clone", "1\n"},
     CLIENT_DOCTOR_RISK,
     "1"},
    {"apparmor_userns",
     {"proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"},
     CLIENT_DOCTOR_RISK,
     "1"},
    {"unprivileged_bpf_disabled",
     {"proc/sys/kernel/unprivileged_bpf_disabled", "0\n"},
     CLIENT_DOCTOR_RISK,
     "0"},
    {"ptrace_scope", {"proc/sys/kernel/yama/ptrace_scope", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"ptrace_scope", {"proc/sys/kernel/yama/ptrace_scope", NULL}, CLIENT_DOCTOR_RISK, "not there"},
    {"perf_event_paranoid",
     {"proc/sys/kernel/perf_event_paranoid", "-1\n"},
     CLIENT_DOCTOR_RISK,
     "-1"},
    {"userfaultfd", {"proc/sys/vm/unprivileged_userfaultfd", "1\n"}, CLIENT_DOCTOR_RISK, "1"},
    {"kptr_restrict", {"proc/sys/kernel/kptr_restrict", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"dmesg_restrict", {"proc/sys/kernel/dmesg_restrict", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"randomize_va_space", {"proc/sys/kernel/randomize_va_space", "1\n"}, CLIENT_DOCTOR_RISK, "1"},
    {"protected_hardlinks", {"proc/sys/fs/protected_hardlinks", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"protected_symlinks", {"proc/sys/fs/protected_symlinks", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"protected_fifos", {"proc/sys/fs/protected_fifos", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"protected_regular", {"proc/sys/fs/protected_regular", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"pid_max", {"proc/sys/kernel/pid_max", "4096\n"}, CLIENT_DOCTOR_RISK, "4096"},
    {"pipe_user_pages_soft", {"proc/sys/fs/pipe-user-pages-soft", "0\n"}, CLIENT_DOCTOR_RISK, "0"},
    {"overcommit_memory", {"proc/sys/vm/overcommit_memory", "2\n"}, CLIENT_DOCTOR_RISK, "2"},
    {"clocksource",
     {"sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"},
     CLIENT_DOCTOR_RISK,
     "hpet"},
    {"cpu_governor",
     {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"},
     CLIENT_DOCTOR_RISK,
     "powersave"},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct machine {
	char directory[64];
	struct client_doctor_host host;
};

static void
put(struct machine *machine, const struct file *file)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s", file->path);
	if (file->text == NULL) {
		assert_int_equal(unlinkat(machine->host.root_fd, path, 0), 0);
		return;
	}
	for (char *slash = path; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		assert_true(mkdirat(machine->host.root_fd, path, 0755) == 0 || errno == EEXIST);
	}
	int fd =
	    openat(machine->host.root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file->text, strlen(file->text)), (ssize_t)strlen(file->text));
	(void)close(fd);
}

static int
make_machine(void **state)
{
	static struct machine machine;

	strcpy(machine.directory, "/tmp/stint-doctor-XXXXXX");
	assert_non_null(mkdtemp(machine.directory));
	machine.host = (struct client_doctor_host){
	    .root_fd = open(machine.directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
	    .landlock_abi = -1,
	    .thread_id = 1,
	    .uid = 1000};
	assert_true(machine.host.root_fd >= 0);
	for (size_t i = 0; i < COUNT(GOOD); i++)
		put(&machine, &GOOD[i]);
	*state = &machine;
	return 0;
}

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

static int
remove_machine(void **state)
{
	struct machine *machine = *state;

	(void)close(machine->host.root_fd);
	return nftw(machine->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static const struct client_doctor_check *
find_check(const char *name)
{
	for (size_t i = 0; i < CLIENT_DOCTOR_CHECK_COUNT; i++)
		if (strcmp(CLIENT_DOCTOR_CHECKS[i].name, name) == 0)
			return &CLIENT_DOCTOR_CHECKS[i];
	fail_msg("no check is named %s", name);
	return NULL;
}

static void
a_good_machine_has_all(void **state)
{
	struct machine *machine = *state;
	struct client_doctor_finding finding;

	for (size_t i = 0; i < CLIENT_DOCTOR_CHECK_COUNT; i++) {
		const struct client_doctor_check *check = &CLIENT_DOCTOR_CHECKS[i];

		client_doctor_check_run(&machine->host, check, ISOLATION_FULL, &finding);
		if (finding.state != CLIENT_DOCTOR_OK)
			fail_msg("%s: %s", check->name, finding.found);
		assert_true(strlen(check->sentence) > 5 && strlen(check->remedy) > 5);
	}
}

static void
each_fault_is_found_and_no_other(void **state)
{
	struct machine *machine = *state;
	struct client_doctor_finding finding;

	for (size_t i = 0; i < COUNT(FAULTS); i++) {
		const struct fault *fault = &FAULTS[i];

		put(machine, &fault->file);
		client_doctor_check_run(&machine->host, find_check(fault->check), ISOLATION_FULL,
					&finding);
		if (finding.state != fault->state || !strstr(finding.found, fault->found))
			fail_msg("fault %zu, %s: %s, \"%s\"", i, fault->check,
				 client_doctor_state_name(finding.state), finding.found);
		if (strncmp(fault->file.path, "lib/", 4) == 0)
			put(machine, &(struct file){fault->file.path, NULL});
		for (size_t j = 0; j < COUNT(GOOD); j++)
			if (strcmp(GOOD[j].path, fault->file.path) == 0)
				put(machine, &GOOD[j]);
	}
	a_good_machine_has_all(state);
}

/* Each row can say no: there is a fault for it above, or a fact below. */
static void
each_row_is_tested(void **state)
{
	(void)state;
	for (size_t i = 0; i < CLIENT_DOCTOR_CHECK_COUNT; i++) {
		bool found = strcmp(CLIENT_DOCTOR_CHECKS[i].name, "thread_id") == 0;

		for (size_t j = 0; j < COUNT(FAULTS); j++)
			found =
			    found || (strcmp(FAULTS[j].check, CLIENT_DOCTOR_CHECKS[i].name) == 0 &&
				      FAULTS[j].state != CLIENT_DOCTOR_OK);
		if (!found)
			fail_msg("%s has no fault", CLIENT_DOCTOR_CHECKS[i].name);
	}
}

static enum client_doctor_state
state_of(const struct client_doctor_host *host, const char *name, enum isolation_level level)
{
	struct client_doctor_finding finding;

	client_doctor_check_run(host, find_check(name), level, &finding);
	return finding.state;
}

static void
facts_and_level_count(void **state)
{
	struct machine *machine = *state;
	struct client_doctor_host host = machine->host;

	host.thread_id = 0;
	assert_int_equal(state_of(&host, "thread_id", ISOLATION_DEVELOPMENT),
			 CLIENT_DOCTOR_MISSING);
	host.landlock_abi = 3;
	put(machine, &(struct file){"sys/kernel/security/lsm", "none\n"});
	assert_int_equal(state_of(&host, "landlock", ISOLATION_FULL), CLIENT_DOCTOR_OK);
	host.landlock_abi = 0;
	assert_int_equal(state_of(&host, "landlock", ISOLATION_FULL), CLIENT_DOCTOR_MISSING);
	assert_int_equal(state_of(&host, "landlock", ISOLATION_REDUCED), CLIENT_DOCTOR_RISK);
	put(machine, &(struct file){"proc/self/mounts", ""});
	assert_int_equal(state_of(&host, "cgroup_kill", ISOLATION_REDUCED), CLIENT_DOCTOR_MISSING);
	assert_int_equal(state_of(&host, "cgroup_kill", ISOLATION_DEVELOPMENT), CLIENT_DOCTOR_RISK);
	put(machine, &(struct file){"proc/self/cgroup", "rubbish"});
	assert_int_equal(state_of(&host, "cgroup_delegation", ISOLATION_FULL), CLIENT_DOCTOR_RISK);
	host.uid = 0;
	assert_int_equal(state_of(&host, "cgroup_delegation", ISOLATION_FULL), CLIENT_DOCTOR_OK);
}

/* Control characters of a file do not reach the terminal. */
static void
what_is_shown_is_printable(void **state)
{
	struct machine *machine = *state;
	struct client_doctor_finding finding;

	put(machine, &(struct file){"proc/sys/kernel/core_pattern", "|\033[2J\tx\xff"});
	client_doctor_check_run(&machine->host, find_check("core_pattern"), ISOLATION_FULL,
				&finding);
	assert_string_equal(finding.found, "|?[2J?x?");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_machine, remove_machine)
	const struct CMUnitTest tests[] = {
	    TEST(a_good_machine_has_all),         TEST(each_fault_is_found_and_no_other),
	    cmocka_unit_test(each_row_is_tested), TEST(facts_and_level_count),
	    TEST(what_is_shown_is_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
