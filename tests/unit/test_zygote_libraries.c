/*
 * What a library keeps, in memory files: at the same addresses, with the same bytes and protection,
 * written as before, shared with a fork as before; and nothing is changed where there is no file,
 * nor in what was there from the beginning. Each test is a process of its own.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "in_a_fork.h"
#include "worker/zygote_libraries.h"

#define LIBRARY     "libbz2.so.1.0"
#define TABLE_FIRST 0x04c11db7u /* the polynomial */
#define TEXT_BYTES  3000u
#define ROOM_BYTES  8000u

typedef int convert(char *to, unsigned *to_bytes, char *from, unsigned from_bytes, int, int);
typedef int compress(char *to, unsigned *to_bytes, char *from, unsigned from_bytes, int, int, int);

struct loaded {
	uint32_t *table; /* 256 of them, which can be written to */
	convert *unpack;
	compress *pack;
};

static bool refuse;

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

int
__wrap_memfd_create(const char *name, unsigned flags)
{
	if (refuse) {
		errno = ENFILE;
		return -1;
	}
	return __real_memfd_create(name, flags);
}

static int
load(struct loaded *ret_loaded)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	MUST(handle != NULL);
	ret_loaded->table = dlsym(handle, "BZ2_crc32Table");
	ret_loaded->unpack = (convert *)dlsym(handle, "BZ2_bzBuffToBuffDecompress");
	ret_loaded->pack = (compress *)dlsym(handle, "BZ2_bzBuffToBuffCompress");
	MUST(ret_loaded->table != NULL && ret_loaded->unpack != NULL && ret_loaded->pack != NULL);
	return 0;
}

/* Code finds its constants, its data and what it has of other libraries. */
static int
works(const struct loaded *loaded)
{
	char text[TEXT_BYTES], packed[ROOM_BYTES], again[ROOM_BYTES];
	unsigned packed_bytes = sizeof(packed), again_bytes = sizeof(again);

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * i % 251);
	MUST(loaded->table[0] == 0 && loaded->table[1] == TABLE_FIRST);
	MUST(loaded->pack(packed, &packed_bytes, text, sizeof(text), 1, 0, 0) == 0);
	MUST(loaded->unpack(again, &again_bytes, packed, packed_bytes, 0, 0) == 0);
	MUST(again_bytes == sizeof(text) && memcmp(again, text, sizeof(text)) == 0);
	return 0;
}

/* The mapping of that address as /proc has it, and the KiB of it that are the process's own. */
static long
own_kib(const void *address, char *ret_protection, bool *ret_memory_file)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	char line[512], protection[8];
	unsigned long start, end;
	bool here = false;
	long kib = -1;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, protection) == 3) {
			here = (uintptr_t)address >= start && (uintptr_t)address < end;
			if (here) {
				(void)strcpy(ret_protection, protection);
				*ret_memory_file = strstr(line, "/memfd:stint-library") != NULL;
			}
		} else if (here && sscanf(line, "Anonymous: %ld", &kib) == 1) {
			break;
		}
	}
	if (file != NULL)
		(void)fclose(file);
	return kib;
}

/* Of the library's name for how many mappings, and of memory files of ours. */
static void
count_mappings(const char *name, unsigned *ret_named, unsigned *ret_ours, unsigned *ret_bad)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512], protection[8];

	*ret_named = *ret_ours = *ret_bad = 0;
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		bool ours = strstr(line, "/memfd:stint-library") != NULL;

		*ret_named += strstr(line, name) != NULL;
		*ret_ours += ours;
		*ret_bad +=
		    ours && (sscanf(line, "%*x-%*x %7s", protection) != 1 ||
			     (strcmp(protection, "r--p") != 0 && strcmp(protection, "rw-p") != 0));
	}
	if (file != NULL)
		(void)fclose(file);
}

static int
live_replaced(void)
{
	struct loaded loaded;
	char protection[8];
	bool memory_file;
	unsigned named, ours, bad;

	zygote_libraries_begin();
	MUST(load(&loaded) == 0 && works(&loaded) == 0);
	loaded.table[255] = 7; /* written to before: comes along */
	MUST(own_kib(loaded.table, protection, &memory_file) > 0 && !memory_file);
	MUST(zygote_libraries_settle() == 1);
	MUST(own_kib(loaded.table, protection, &memory_file) == 0 && memory_file);
	MUST(strcmp(protection, "rw-p") == 0);
	count_mappings("/" LIBRARY, &named, &ours, &bad);
	MUST(named > 0 && ours == 2 && bad == 0); /* code is the file's still */
	MUST(works(&loaded) == 0 && loaded.table[255] == 7);
	loaded.table[255] = 8;
	MUST(loaded.table[255] == 8 && works(&loaded) == 0);
	return is_private((volatile unsigned char *)&loaded.table[254]);
}

static int
live_refused(void)
{
	struct loaded loaded;
	char protection[8];
	bool memory_file;

	zygote_libraries_begin();
	MUST(load(&loaded) == 0);
	refuse = true;
	MUST(zygote_libraries_settle() == 0);
	MUST(own_kib(loaded.table, protection, &memory_file) > 0 && !memory_file);
	return works(&loaded);
}

static int
live_known(void)
{
	struct loaded loaded;
	unsigned named, ours, bad;

	MUST(load(&loaded) == 0);
	zygote_libraries_begin();
	MUST(zygote_libraries_settle() == 0);
	count_mappings("/" LIBRARY, &named, &ours, &bad);
	MUST(named >= 5 && ours == 0);
	return works(&loaded);
}

static void
test_replaced(void **state)
{
	(void)state;
	in_a_fork(live_replaced);
}

static void
test_nothing_is_changed_without_a_file(void **state)
{
	(void)state;
	in_a_fork(live_refused);
}

static void
test_what_was_there_before_stays(void **state)
{
	(void)state;
	in_a_fork(live_known);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replaced),
	    cmocka_unit_test(test_nothing_is_changed_without_a_file),
	    cmocka_unit_test(test_what_was_there_before_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
