/*
 * The configuration: each kind of fault, its line and its words; all or nothing; printing reads
 * back.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "protocol/config_parse.h"
#include "tests/unit/cmocka_headers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void
defaults_hold_their_own_rules(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;

	config_init(&config);
	assert_int_equal(config_check(&config, &err), 0);
	assert_string_equal(config_text(&config, socket), "/run/stint/stint.sock");
	assert_int_equal(config_number(&config, socket_mode), 0660);
	assert_int_equal(config_number(&config, asyncio), 1);
	assert_int_equal(config_number(&config, log_level), 2);
	assert_int_equal(config.limits_default.cpu_ms, 2000);
	assert_int_equal(config.limits_max.cpu_ms, 60000);
	config_deinit(&config);
	config_deinit(&config);
	config_deinit(NULL);
}

static void
all_types_are_read(void **state)
{
	static const char TEXT[] = "# a comment\n"
				   "\n"
				   "socket = /tmp/a#b.sock # trailing comment\r\n"
				   "  socket_mode=0600\n"
				   "service_memory_max = 2G\n"
				   "queue_bytes_max\t=\t32M\n"
				   "asyncio = no\n"
				   "log_level = debug\n"
				   "preload = json  re\n"
				   "max_wall_ms = 2min\n"
				   "default_wall_ms = 3s\n"
				   "default_cpu_ms = 250\n"
				   "default_memory_bytes = 65536K\n"
				   "max_threads = 4";
	struct config config;
	struct error err = ERROR_INIT;

	config_init(&config);
	assert_int_equal(config_read_text(&config, TEXT, strlen(TEXT), "f", &err), 0);
	assert_string_equal(config_text(&config, socket), "/tmp/a#b.sock");
	assert_int_equal(config_number(&config, socket_mode), 0600);
	assert_int_equal(config_number(&config, service_memory_max), 2ull << 30);
	assert_int_equal(config_number(&config, queue_bytes_max), 32 << 20);
	assert_int_equal(config_number(&config, asyncio), 0);
	assert_int_equal(config_number(&config, log_level), 3);
	assert_string_equal(config_text(&config, preload), "json  re");
	assert_int_equal(config.limits_max.wall_ms, 120000);
	assert_int_equal(config.limits_default.wall_ms, 3000);
	assert_int_equal(config.limits_default.cpu_ms, 250);
	assert_int_equal(config.limits_default.memory_bytes, 64 << 20);
	assert_int_equal(config.limits_max.threads, 4);
	config_deinit(&config);
}

static void
every_fault_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *expected;
	} CASES[] = {
	    {"sokcet = /x\n", "f:1: unknown setting \"sokcet\""},
	    {"\n\nasyncio = yes\nasyncio = no\n", "f:4: asyncio: set before, in line 3"},
	    {"max_cpu_ms = 5h\n", "f:1: max_cpu_ms: \"5h\" is not a time"},
	    {"queue_bytes_max = 1T\n", "f:1: queue_bytes_max: \"1T\" is not a number of bytes"},
	    {"queue_bytes_max = 1 M\n", "is not a number of bytes"},
	    {"queue_jobs_max = 1K\n", "f:1: queue_jobs_max: \"1K\" is not a whole number"},
	    {"queue_jobs_max = K\n", "is not a whole number"},
	    {"queue_jobs_max = -1\n", "is not a whole number"},
	    {"queue_jobs_max = 0x10\n", "is not a whole number"},
	    {"queue_jobs_max =\n", "is not a whole number"},
	    {"queue_jobs_max = 0\n", "f:1: queue_jobs_max: 0 is out of range (1 to 1000000)"},
	    {"queue_jobs_max = 1000001\n", "out of range"},
	    {"queue_jobs_max = 99999999999999999999999\n", "out of range"},
	    {"queue_bytes_max = 18446744073709551615G\n", "out of range"},
	    {"socket_mode = 0888\n", "is not an octal mode"},
	    {"socket_mode = 1777\n", "out of range (0000 to 0777)"},
	    {"asyncio = true\n", "f:1: asyncio: \"true\" is not yes or no"},
	    {"log_level = loud\n", "is not error, warning, info or debug"},
	    {"preload = json, re\n", "is not a list of names"},
	    {"socket =\n", "f:1: socket: has no value"},
	    {"a comment that is none\n", "has no '='"},
	    {" = 5\n", "f:1: no name before '='"},
	    {"# fine\nsocket = /t\xc3\x28\n", "f:2: not UTF-8 at byte 12 of the line"},
	    {"socket = /a\x01z\n", "f:1: control character \\x01"},
	    {"socket = /a\rz\n", "f:1: control character \\x0d"},
	    {"socket=#a\n", "f:1: socket: \"#a\" is not a text without control characters"},
	    {"default_cpu_ms = 61s\n", "out of range (1 to 60000 ms)"},
	    {"max_cpu_ms = 1s\n", "f: default_cpu_ms (2000) is above max_cpu_ms (1000)"},
	    {"default_cpu_ms = 11s\nmax_cpu_ms = 10s\n", "default_cpu_ms (11000) is above"},
	    {"uid_base = 4294000000\nuid_count = 65536\n", ""},
	    {"queue_bytes_max = 64K\n", "request_bytes_max (16777216) is above queue_bytes_max"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct config config;
		struct error err = ERROR_INIT;
		int r;

		config_init(&config);
		r = config_read_text(&config, CASES[i].text, strlen(CASES[i].text), "f", &err);
		if (CASES[i].expected[0] == '\0') {
			assert_int_equal(r, 0);
		} else {
			if (r != ERROR_INVALID || strstr(err.text, CASES[i].expected) == NULL)
				fail_msg("%s: %d \"%s\"", CASES[i].text, r, err.text);
			/* Nothing of the file was taken. */
			assert_string_equal(config_text(&config, socket), "/run/stint/stint.sock");
			assert_int_equal(config.limits_max.cpu_ms, 60000);
			assert_int_equal(config_number(&config, asyncio), 1);
		}
		config_deinit(&config);
	}
}

static void
nul_bytes_and_size(void **state)
{
	static const char NUL[] = "asyncio = yes\nsocket = /a\0b\n";
	struct config config;
	struct error err = ERROR_INIT;
	char *big = malloc(CONFIG_BYTES_MAX + 1);

	config_init(&config);
	assert_int_equal(config_read_text(&config, NUL, sizeof(NUL) - 1, "f", &err), ERROR_INVALID);
	assert_string_equal(err.text, "f:2: control character \\x00");
	assert_non_null(big);
	memset(big, '\n', CONFIG_BYTES_MAX + 1);
	assert_int_equal(config_read_text(&config, big, CONFIG_BYTES_MAX + 1, "f", &err),
			 ERROR_LIMIT);
	assert_int_equal(config_read_text(&config, big, CONFIG_BYTES_MAX, "f", &err), 0);
	memcpy(big, "socket = /", 10);
	memset(big + 10, 'x', 200);
	assert_int_equal(config_read_text(&config, big, 211, "f", &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "at most 107"));
	assert_int_equal(config_read_text(&config, "", 0, "f", &err), 0);
	free(big);
	config_deinit(&config);
}

static void
set_takes_one_assignment(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;

	config_init(&config);
	assert_int_equal(config_set(&config, "socket=/tmp/x=y", &err), 0);
	assert_string_equal(config_text(&config, socket), "/tmp/x=y");
	assert_int_equal(config_set(&config, "max_cpu_ms = 30s", &err), 0);
	assert_int_equal(config.limits_max.cpu_ms, 30000);
	assert_int_equal(config_set(&config, "default_cpu_ms=31s", &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "--set: default_cpu_ms (31000) is above"));
	assert_int_equal(config.limits_default.cpu_ms, 2000);
	assert_int_equal(config_set(&config, "nothing", &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "no '='"));
	assert_int_equal(config_set(&config, "bogus=1", &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "unknown setting \"bogus\""));
	assert_int_equal(config_set(&config, "socket=/a\nb", &err), ERROR_INVALID);
	assert_int_equal(config_set(&config, "socket=\xff", &err), ERROR_INVALID);
	assert_string_equal(config_text(&config, socket), "/tmp/x=y");
	config_deinit(&config);
}

static void
files_are_read_whole_or_refused(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "asyncio = no\nrunning_max = 5\n", 29), 29);
	config_init(&config);
	assert_int_equal(config_read_file(&config, path, &err), 0);
	assert_int_equal(config_number(&config, running_max), 5);
	assert_int_equal(ftruncate(fd, 11), 0); /* "asyncio = n" */
	assert_int_equal(config_read_fd(&config, fd, "name", &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "name:1: asyncio"));
	assert_int_equal(ftruncate(fd, (off_t)CONFIG_BYTES_MAX + 1), 0);
	assert_int_equal(config_read_fd(&config, fd, "name", &err), ERROR_LIMIT);
	base_close(&fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_read_file(&config, path, &err), ERROR_SYSTEM);
	assert_non_null(strstr(err.text, "No such file"));
	assert_int_equal(config_read_file(&config, "/tmp", &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(config_number(&config, running_max), 5);
	config_deinit(&config);
}

static void
printed_configuration_reads_back(void **state)
{
	static char text[1 << 16], again[1 << 16];
	struct config config, other;
	struct error err = ERROR_INIT;
	int fd = memfd_create("a", MFD_CLOEXEC), second = memfd_create("b", MFD_CLOEXEC);
	ssize_t size;

	config_init(&config);
	config_init(&other);
	assert_int_equal(config_set(&config, "socket_mode=0640", &err), 0);
	assert_int_equal(config_set(&config, "default_wall_ms=7s", &err), 0);
	config_print(&config, fd);
	size = pread(fd, text, sizeof(text), 0);
	assert_true(size > 1000 && size < (ssize_t)sizeof(text));
	assert_int_equal(config_read_text(&other, text, (size_t)size, "f", &err), 0);
	config_print(&other, second);
	assert_int_equal(pread(second, again, sizeof(again), 0), size);
	assert_memory_equal(text, again, (size_t)size);
	assert_int_equal(config_number(&other, socket_mode), 0640);
	assert_int_equal(other.limits_default.wall_ms, 7000);
	base_close(&fd);
	base_close(&second);
	config_deinit(&config);
	config_deinit(&other);
}

static void
files_that_cannot_be_read(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;
	int fd, memory = memfd_create("a", MFD_CLOEXEC);
	char path[32];

	(void)state;
	assert_int_equal(write(memory, "x", 1), 1);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	config_init(&config);
	assert_int_equal(config_read_fd(&config, fd, "f", &err), ERROR_SYSTEM);
	assert_non_null(strstr(err.text, "f: "));
	assert_int_equal(config_read_fd(&config, -1, "f", &err), ERROR_SYSTEM);
	config_deinit(&config);
	base_close(&fd);
	base_close(&memory);
}

/* Only what this host alone can reach. */
static void
test_metrics_listen(void **state)
{
	static const struct {
		const char *value, *expected; /* "": is taken */
	} CASES[] = {
	    {"", ""},
	    {"127.0.0.1:9464", ""},
	    {"[::1]:65535", ""},
	    {"unix:/run/stint/metrics.sock", ""},
	    {"0.0.0.0:9464", "metrics_listen: \"0.0.0.0:9464\" is not for this host alone"},
	    {"localhost:9464", "is not for this host alone"},
	    {"127.0.0.1", "is not for this host alone"},
	    {"127.0.0.1:65536", "is no port"},
	    {"127.0.0.1:0", "is no port"},
	    {"127.0.0.1:1x", "is no port"},
	    {"127.0.0.1:", "is no port"},
	    {"unix:metrics", "is not an absolute path"},
	    {"unix:/run/", "is not an absolute path"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct config config;
		struct error err = ERROR_INIT;
		char text[128];
		int r;

		(void)snprintf(text, sizeof(text), "metrics_listen = %s\n", CASES[i].value);
		config_init(&config);
		r = config_read_text(&config, text, strlen(text), "f", &err);
		if (CASES[i].expected[0] == '\0')
			assert_int_equal(r, 0);
		else if (r != ERROR_INVALID || strstr(err.text, CASES[i].expected) == NULL)
			fail_msg("%s: %d \"%s\"", text, r, err.text);
		config_deinit(&config);
	}
}

/* Every setting, changed alone: it is LIVE, or refused by its name. */
static void
a_reload_changes_what_is_live(void **state)
{
	struct config from, to;
	unsigned live = 0, fixed = 0;

	for (unsigned i = 0; i < SETTING_ID_COUNT; i++) {
		struct error err = ERROR_INIT;
		struct config_key key;
		int r;

		config_init(&from);
		config_init(&to);
		assert_int_equal(config_check_reload(&from, &to, NULL), 0);
		config_key_get(i, &key);
		if (to.values[i].text != NULL) {
			free(to.values[i].text);
			to.values[i].text = strdup("other");
		} else {
			to.values[i].number++;
		}
		r = config_check_reload(&from, &to, &err);
		assert_int_equal(r, key.live ? 0 : ERROR_INVALID);
		if (!key.live) {
			assert_memory_equal(err.text, key.name, strlen(key.name));
			assert_non_null(strstr(err.text, "restart the service"));
		}
		live += key.live;
		fixed += !key.live;
		config_deinit(&from);
		config_deinit(&to);
	}
	assert_true(live > 10 && fixed > 10);
}

static void
a_reload_changes_limits_and_tenants(void **state)
{
	static const char TEXT[] = "max_cpu_ms = 3s\ndefault_cpu_ms = 1s\n[tenant a]\nweight = 2\n";
	struct config from, to;
	struct error err = ERROR_INIT;

	config_init(&from);
	config_init(&to);
	assert_int_equal(config_read_text(&to, TEXT, strlen(TEXT), "f", NULL), 0);
	assert_int_equal(config_check_reload(&from, &to, NULL), 0);
	assert_int_equal(config_check_reload(&to, &from, NULL), 0);
	/* Whether there may be scratch directories at all is the zygotes' business. */
	assert_int_equal(config_set(&to, "max_scratch_bytes=1M", NULL), 0);
	assert_int_equal(config_check_reload(&from, &to, NULL), 0);
	assert_int_equal(config_set(&to, "max_scratch_bytes=0", NULL), 0);
	assert_int_equal(config_check_reload(&from, &to, &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "max_scratch_bytes, from or to 0: "));
	assert_int_equal(config_check_reload(&to, &from, NULL), ERROR_INVALID);
	config_deinit(&from);
	config_deinit(&to);
}

static void
a_copy_without_tenants(void **state)
{
	static const char TEXT[] = "socket = /x\nrunning_max = 3\n[tenant a]\nusers = 5\n";
	struct config config, copy;

	config_init(&config);
	assert_int_equal(config_read_text(&config, TEXT, strlen(TEXT), "f", NULL), 0);
	assert_int_equal(config_copy_service(&config, &copy, NULL), 0);
	config_deinit(&config);
	assert_string_equal(config_text(&copy, socket), "/x");
	assert_int_equal(config_number(&copy, running_max), 3);
	assert_int_equal(copy.tenant_count, 0);
	config_deinit(&copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_metrics_listen),
	    cmocka_unit_test(defaults_hold_their_own_rules),
	    cmocka_unit_test(all_types_are_read),
	    cmocka_unit_test(every_fault_is_refused_with_its_line),
	    cmocka_unit_test(nul_bytes_and_size),
	    cmocka_unit_test(set_takes_one_assignment),
	    cmocka_unit_test(files_are_read_whole_or_refused),
	    cmocka_unit_test(printed_configuration_reads_back),
	    cmocka_unit_test(files_that_cannot_be_read),
	    cmocka_unit_test(a_reload_changes_what_is_live),
	    cmocka_unit_test(a_reload_changes_limits_and_tenants),
	    cmocka_unit_test(a_copy_without_tenants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
