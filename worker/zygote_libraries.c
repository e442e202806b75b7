/*
 * Copies each object's part from its constants to the end of its bss into a memory file and maps
 * that over it: what cannot be written to (constants, and what the loader has made read-only) in
 * one mapping, the rest in a second one. Between the copy and the mapping nothing is written to but
 * the stack. Called by python_host.c, in the zygote alone.
 */
#define _GNU_SOURCE
#include "worker/zygote_libraries.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "worker/zygote_args.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIBRARIES_MAX        256u
#define LIBRARIES_PAGE_BYTES 4096u
#define LIBRARIES_BYTES_MAX  (8u << 20) /* more would not be a fork's cost but memory's */

/* In whole pages. */
struct library {
	uintptr_t constants, data, end;
};

struct libraries {
	unsigned skipped; /* those that were there before */
	unsigned count;
	struct library list[LIBRARIES_MAX];
};

static unsigned libraries_known; /* objects at the beginning; one process loads them */

static uintptr_t
libraries_page(uintptr_t address)
{
	return address & ~(uintptr_t)(LIBRARIES_PAGE_BYTES - 1);
}

static uintptr_t
libraries_next_page(uintptr_t address)
{
	return libraries_page(address + LIBRARIES_PAGE_BYTES - 1);
}

/* data: its one writable segment, the last; fixed: what of it the loader has made read-only, from
 * its beginning on, or NULL; before: the segment before it. */
static bool
libraries_lay_out(uintptr_t base, const ElfW(Phdr) * before, const ElfW(Phdr) * data,
		  const ElfW(Phdr) * fixed, struct library *ret_library)
{
	struct library *library = ret_library;

	library->constants = library->data = libraries_page(base + data->p_vaddr);
	library->end = libraries_next_page(base + data->p_vaddr + data->p_memsz);
	if (fixed != NULL) {
		if (libraries_page(base + fixed->p_vaddr) != library->data)
			return false;
		library->data = libraries_page(base + fixed->p_vaddr + fixed->p_memsz);
	}
	/* Constants that lie next to those. */
	if (before != NULL && before->p_flags == PF_R && library->data > library->constants &&
	    libraries_next_page(base + before->p_vaddr + before->p_memsz) == library->constants)
		library->constants = libraries_page(base + before->p_vaddr);
	return library->end - library->constants <= LIBRARIES_BYTES_MAX;
}

static bool
libraries_look(const struct dl_phdr_info *info, struct library *ret_library)
{
	const ElfW(Phdr) *before = NULL, *data = NULL, *fixed = NULL;

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_GNU_RELRO)
			fixed = header;
		if (header->p_type != PT_LOAD)
			continue;
		if (data != NULL)
			return false; /* something is behind it */
		if (header->p_flags & PF_W)
			data = header;
		else
			before = header;
	}
	return data != NULL && data->p_flags == (PF_R | PF_W) &&
	       libraries_lay_out(info->dlpi_addr, before, data, fixed, ret_library);
}

static int
libraries_count(struct dl_phdr_info *info, size_t size, void *context)
{
	unsigned *count = context;

	(void)info;
	(void)size;
	++*count;
	return 0;
}

/* In the order in which they were loaded. */
static int
libraries_find(struct dl_phdr_info *info, size_t size, void *context)
{
	struct libraries *libraries = context;

	(void)size;
	if (libraries->skipped < libraries_known)
		libraries->skipped++;
	else if (libraries->count < LIBRARIES_MAX &&
		 libraries_look(info, &libraries->list[libraries->count]))
		libraries->count++;
	return 0;
}

/* What was there may be unmapped already. It was not the C library's. */
static _Noreturn void
libraries_are_lost(void)
{
	log_error("zygote", "a library's data cannot be replaced: %s", strerror(errno));
	_exit(ZYGOTE_ARGS_EXIT_SETUP);
}

static void
libraries_map(int fd, const struct library *library, uintptr_t start, uintptr_t end, int protection)
{
	if (start < end && mmap((void *)start, end - start, protection, MAP_PRIVATE | MAP_FIXED, fd,
				(off_t)(start - library->constants)) == MAP_FAILED)
		libraries_are_lost();
}

static bool
libraries_replace(const struct library *library)
{
	size_t bytes = library->end - library->constants;
	autoclose int fd =
	    base_memfd_copy("stint-library", (const void *)library->constants, bytes, bytes, false);

	if (fd < 0)
		return false;
	libraries_map(fd, library, library->data, library->end, PROT_READ | PROT_WRITE);
	libraries_map(fd, library, library->constants, library->data, PROT_READ);
	return true;
}

void
zygote_libraries_begin(void)
{
	libraries_known = 0;
	(void)dl_iterate_phdr(libraries_count, &libraries_known);
}

unsigned
zygote_libraries_settle(void)
{
	struct libraries libraries = {.count = 0};
	unsigned replaced = 0;

	(void)dl_iterate_phdr(libraries_find, &libraries);
	for (unsigned i = 0; i < libraries.count; i++)
		replaced += libraries_replace(&libraries.list[i]);
	return replaced;
}
