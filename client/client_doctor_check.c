/*
 * The checks of `stint doctor`, and their table.
 *
 * Each reads one or two small files below the host's root descriptor and compares; none changes
 * anything, follows a path out of /proc and /sys, or needs a right. What a file says is shown with
 * all but printable ASCII replaced. Called by client_doctor.c and, with a directory of made-up
 * files for a root, by the unit test. Cannot fail: what cannot be read is said to be unknown.
 */
#define _GNU_SOURCE
#include "client/client_doctor_check.h"

#include "protocol/base_sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT_BYTES      65536
#define PATH_BYTES      512
#define LANDLOCK_ASK    1u /* landlock_create_ruleset: the version, please */
#define CGROUP_TYPE     "cgroup"
#define CGROUP_TYPE_TWO "cgroup2"

/* The file, NUL terminated and without its last line end; false when it cannot be read. */
static bool
read_text(const struct client_doctor_host *host, const char *path, char ret[TEXT_BYTES])
{
	autoclose int fd =
	    openat(host->root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t size = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && size < TEXT_BYTES - 1) {
		got = read(fd, ret + size, TEXT_BYTES - 1 - size);
		size += got > 0 ? (size_t)got : 0;
	}
	if (fd < 0 || got < 0)
		return false;
	while (size > 0 && (ret[size - 1] == '\n' || ret[size - 1] == ' '))
		size--;
	ret[size] = '\0';
	return true;
}

static void
find(struct client_doctor_finding *ret_finding, bool well, const char *found)
{
	size_t i;

	ret_finding->state = well ? CLIENT_DOCTOR_OK : CLIENT_DOCTOR_RISK;
	for (i = 0; found[i] != '\0' && found[i] != '\n' && i < CLIENT_DOCTOR_FOUND_BYTES - 1; i++)
		ret_finding->found[i] = found[i] >= ' ' && found[i] <= '~' ? found[i] : '?';
	ret_finding->found[i] = '\0';
}

/* The check's own file; when it is not there the finding is what the row says of that. */
static bool
read_own(const struct client_doctor_host *host, const struct client_doctor_check *check,
	 char ret[TEXT_BYTES], struct client_doctor_finding *ret_finding)
{
	if (read_text(host, check->path, ret))
		return true;
	find(ret_finding, false, "not there");
	ret_finding->state = check->absent;
	return false;
}

#define LOOK(name)                                                                                 \
	static void client_doctor_check_##name(const struct client_doctor_host *host,              \
					       const struct client_doctor_check *check,            \
					       struct client_doctor_finding *ret_finding)

/* A decimal number from low to high. */
LOOK(range)
{
	char text[TEXT_BYTES], *end;
	unsigned long long value;

	if (!read_own(host, check, text, ret_finding))
		return;
	value = strtoull(text, &end, 10);
	find(ret_finding,
	     text[0] != '-' && end != text && value >= check->low && value <= check->high, text);
}

/* "5.14..." or newer; low is 514. */
LOOK(version)
{
	char text[TEXT_BYTES];
	unsigned major = 0, minor = 0;

	if (!read_own(host, check, text, ret_finding))
		return;
	find(ret_finding,
	     sscanf(text, "%u.%u", &major, &minor) == 2 && major * 100 + minor >= check->low, text);
}

/* Whether `word` is one of the words of text, which blanks, commas or line ends part. */
static bool
has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; *at != '\0'; at += strspn(at, " ,\n\t")) {
		size_t size = strcspn(at, " ,\n\t");

		if (size == length && memcmp(at, word, length) == 0)
			return true;
		at += size;
	}
	return false;
}

/* The argument is among the file's words. */
LOOK(word)
{
	char text[TEXT_BYTES];

	if (read_own(host, check, text, ret_finding))
		find(ret_finding, has_word(text, check->argument),
		     has_word(text, check->argument) ? "there" : text);
}

/* What the file says is among the argument's words. */
LOOK(one_of)
{
	char text[TEXT_BYTES];

	if (read_own(host, check, text, ret_finding))
		find(ret_finding, has_word(check->argument, text), text);
}

/* The file does not have the argument's text, as [always] of what could be chosen. */
LOOK(unselected)
{
	char text[TEXT_BYTES];

	if (read_own(host, check, text, ret_finding))
		find(ret_finding, strstr(text, check->argument) == NULL, text);
}

/* The file does not begin with a pipe. */
LOOK(no_pipe)
{
	char text[TEXT_BYTES];

	if (read_own(host, check, text, ret_finding))
		find(ret_finding, text[0] != '|', text);
}

/* The file has at most `high` lines. */
LOOK(lines)
{
	char text[TEXT_BYTES];
	uint64_t count = 1;

	if (!read_own(host, check, text, ret_finding))
		return;
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		count++;
	find(ret_finding, count <= check->high, count <= check->high ? "none" : "in use");
}

LOOK(exists)
{
	if (faccessat(host->root_fd, check->path, R_OK, 0) == 0) {
		find(ret_finding, true, "there");
		return;
	}
	find(ret_finding, false, "not there");
	ret_finding->state = check->absent;
}

/* low: the lowest version that will do. */
LOOK(landlock)
{
	char text[TEXT_BYTES];

	if (host->landlock_abi >= 0) {
		(void)snprintf(text, sizeof(text), "version %d", host->landlock_abi);
		find(ret_finding, (uint64_t)host->landlock_abi >= check->low,
		     host->landlock_abi > 0 ? text : "not there");
	} else if (read_own(host, check, text, ret_finding)) {
		find(ret_finding, has_word(text, "landlock"), text);
	}
}

LOOK(thread_id)
{
	find(ret_finding, host->thread_id > 0, host->thread_id > 0 ? "told" : "not told");
	if (host->thread_id < 0)
		ret_finding->state = check->absent;
}

/* The first mount of that type, and with that option unless it is empty: its directory, "" without
 * one. */
static void
find_mount(const char *mounts, const char *type, const char *option, char ret[PATH_BYTES])
{
	char directory[256], kind[64], options[1024];

	ret[0] = '\0';
	for (const char *line = mounts; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%*s %255s %63s %1023s", directory, kind, options) != 3 ||
		    strcmp(kind, type) != 0 || (*option != '\0' && !has_word(options, option)))
			continue;
		(void)snprintf(ret, PATH_BYTES, "%s", directory);
		return;
	}
}

/* v1: a hierarchy with the controller `argument`; v2: the root has it, or it needs none (CPU). */
LOOK(controller)
{
	char text[TEXT_BYTES], mount[PATH_BYTES], path[PATH_BYTES + 32], found[PATH_BYTES + 8];

	if (!read_own(host, check, text, ret_finding))
		return;
	find_mount(text, CGROUP_TYPE, check->argument, mount);
	if (mount[0] != '\0') {
		(void)snprintf(found, sizeof(found), "v1 at %s", mount);
		find(ret_finding, true, found);
		return;
	}
	find_mount(text, CGROUP_TYPE_TWO, "", mount);
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mount + (mount[0] == '/'));
	(void)snprintf(found, sizeof(found), "v2 at %s", mount);
	if (mount[0] == '\0' || !read_text(host, path, text))
		find(ret_finding, false, "not there");
	else if (strcmp(check->argument, "cpuacct") == 0 || has_word(text, check->argument))
		find(ret_finding, true, found);
	else
		find(ret_finding, false,
		     text[0] != '\0' ? text : "the unified tree has no controller");
}

LOOK(unified)
{
	char text[TEXT_BYTES], mount[PATH_BYTES];

	if (!read_own(host, check, text, ret_finding))
		return;
	find_mount(text, CGROUP_TYPE_TWO, "", mount);
	find(ret_finding, mount[0] != '\0', mount[0] != '\0' ? mount : "not mounted");
}

/* Root may make groups anywhere; others where a v2 group was given to them. */
LOOK(delegation)
{
	char text[TEXT_BYTES], mounts[TEXT_BYTES], mount[PATH_BYTES], path[2 * PATH_BYTES];
	const char *own;

	if (host->uid == 0) {
		find(ret_finding, true, "root");
		return;
	}
	if (!read_own(host, check, text, ret_finding))
		return;
	own = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (own == NULL || !read_text(host, "proc/self/mounts", mounts)) {
		find(ret_finding, false, "no unified tree");
		return;
	}
	own = strchr(own, '/');
	find_mount(mounts, CGROUP_TYPE_TWO, "", mount);
	(void)snprintf(path, sizeof(path), "%s%.*s", mount + (mount[0] == '/'),
		       own != NULL ? (int)strcspn(own, "\n") : 0, own != NULL ? own : "");
	find(ret_finding, faccessat(host->root_fd, path, W_OK, 0) == 0, path);
}

/* The files of the directory that begin with "Vulnerable", by name. */
LOOK(vulnerabilities)
{
	char text[TEXT_BYTES], path[PATH_BYTES], found[CLIENT_DOCTOR_FOUND_BYTES] = "";
	int fd = openat(host->root_fd, check->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t used = 0;

	if (directory == NULL) {
		base_close(&fd);
		find(ret_finding, false, "not there");
		ret_finding->state = check->absent;
		return;
	}
	while ((entry = readdir(directory)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%.255s", check->path, entry->d_name);
		if (entry->d_name[0] == '.' || !read_text(host, path, text) ||
		    strncmp(text, "Vulnerable", strlen("Vulnerable")) != 0)
			continue;
		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s",
					 used > 0 ? " " : "", entry->d_name);
		if (used >= sizeof(found))
			used = sizeof(found) - 1;
	}
	(void)closedir(directory);
	find(ret_finding, used == 0, used == 0 ? "none" : found);
}

/* The module `argument` is not loaded, and a modprobe.d file bars it or the kernel's directory has
 * none. */
LOOK(module)
{
	char text[TEXT_BYTES], line[TEXT_BYTES / 2], release[256], path[PATH_BYTES];
	static const char *const ENDINGS[] = {"", ".xz", ".zst", ".gz"};

	if (!read_own(host, check, text, ret_finding))
		return;
	(void)snprintf(line, sizeof(line), "\n%s ", check->argument);
	if (strncmp(text, line + 1, strlen(line) - 1) == 0 || strstr(text, line) != NULL) {
		find(ret_finding, false, "loaded");
		return;
	}
	(void)snprintf(path, sizeof(path), "etc/modprobe.d/%s.conf", check->argument);
	(void)snprintf(line, sizeof(line), "install %s /bin/false", check->argument);
	if ((read_text(host, path, text) && strstr(text, line) != NULL) ||
	    !read_text(host, "proc/sys/kernel/osrelease", text)) {
		find(ret_finding, true, "barred");
		return;
	}
	(void)snprintf(release, sizeof(release), "%.200s", text);
	for (size_t i = 0; i < sizeof(ENDINGS) / sizeof(ENDINGS[0]); i++) {
		(void)snprintf(path, sizeof(path), "lib/modules/%s/kernel/crypto/%s.ko%s", release,
			       check->argument, ENDINGS[i]);
		if (faccessat(host->root_fd, path, F_OK, 0) == 0) {
			find(ret_finding, false, "can be loaded by anybody");
			return;
		}
	}
	find(ret_finding, true, "not there");
}

/* As range, but of no matter to root. */
LOOK(apparmor)
{
	if (host->uid == 0)
		find(ret_finding, true, "root is free of it");
	else
		client_doctor_check_range(host, check, ret_finding);
}

#define DEVELOPMENT ISOLATION_DEVELOPMENT
#define REDUCED     ISOLATION_REDUCED
#define FULL        ISOLATION_FULL
#define NEVER       CLIENT_DOCTOR_NEVER
const struct client_doctor_check CLIENT_DOCTOR_CHECKS[] = {
#define CHECK(section, name, from, function, path, argument, low, high, absent, sentence, remedy)  \
	{CLIENT_DOCTOR_##section,                                                                  \
	 name,                                                                                     \
	 from,                                                                                     \
	 client_doctor_check_##function,                                                           \
	 path,                                                                                     \
	 argument,                                                                                 \
	 low,                                                                                      \
	 high,                                                                                     \
	 CLIENT_DOCTOR_##absent,                                                                   \
	 sentence,                                                                                 \
	 remedy},
#include "client/client_doctor_checks.def"
#undef CHECK
};
const size_t CLIENT_DOCTOR_CHECK_COUNT =
    sizeof(CLIENT_DOCTOR_CHECKS) / sizeof(CLIENT_DOCTOR_CHECKS[0]);

int
client_doctor_check_host(struct client_doctor_host *ret_host)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_ASK);
	pid_t *tid = NULL;
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ret_host->root_fd = fd;
	ret_host->landlock_abi = abi > 0 ? (int)abi : 0;
	ret_host->thread_id = prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0) == 0;
	ret_host->uid = geteuid();
	return 0;
}

void
client_doctor_check_run(const struct client_doctor_host *host,
			const struct client_doctor_check *check, enum isolation_level level,
			struct client_doctor_finding *ret_finding)
{
	struct client_doctor_finding finding = {.state = CLIENT_DOCTOR_UNKNOWN};

	check->look(host, check, &finding);
	if (finding.state == CLIENT_DOCTOR_RISK && check->from <= level)
		finding.state = CLIENT_DOCTOR_MISSING;
	else if (finding.state == CLIENT_DOCTOR_MISSING && check->from > level)
		finding.state = CLIENT_DOCTOR_RISK;
	*ret_finding = finding;
}

const char *
client_doctor_state_name(enum client_doctor_state state)
{
	static const char *const NAMES[CLIENT_DOCTOR_STATE_COUNT] = {"ok", "missing", "risk",
								     "unknown"};

	return state < CLIENT_DOCTOR_STATE_COUNT ? NAMES[state] : "unknown";
}
