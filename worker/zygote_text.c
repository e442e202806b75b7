/*
 * Copies the read-only segments of the program into memory files, seals these, has the kernel make
 * huge pages of them (MADV_COLLAPSE, madvise(2)), and maps them over the segments. A file's mapping
 * and not anonymous memory: a fork need not copy its entries, and an executable mapping needs no
 * mprotect(), which service managers forbid (MemoryDenyWriteExecute=). It is tried on a mapping
 * elsewhere first: a kernel that does not do it leaves everything as it was. Called by
 * zygote_main.c.
 */
#define _GNU_SOURCE
#include "worker/zygote_text.h"

#include "protocol/base_sys.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#define TEXT_PAGE_BYTES   4096u
#define TEXT_WORTH_BYTES  (BASE_HUGE_BYTES / 4)
#define TEXT_SEGMENTS_MAX 8u

struct text_segment {
	uintptr_t start;
	size_t used;  /* bytes of the file */
	size_t bytes; /* whole huge pages, of which the last may be longer than the file */
	int protection;
};

struct text_program {
	unsigned count;
	struct text_segment segments[TEXT_SEGMENTS_MAX];
};

/* What of it is worth huge pages; the rest stays as it is. */
static void
text_add(struct text_program *program, uintptr_t start, size_t used, uint32_t flags)
{
	size_t last = used % BASE_HUGE_BYTES;
	struct text_segment segment = {.start = start,
				       .used = used,
				       .bytes = used - last,
				       .protection = PROT_READ | (flags & PF_X ? PROT_EXEC : 0)};

	if (last >= TEXT_WORTH_BYTES)
		segment.bytes += BASE_HUGE_BYTES;
	else
		segment.used = segment.bytes;
	if (start % BASE_HUGE_BYTES == 0 && segment.bytes > 0 && program->count < TEXT_SEGMENTS_MAX)
		program->segments[program->count++] = segment;
}

/* The first object is the program. Its first segment holds what is read while it is loaded. */
static int
text_find(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_LOAD && header->p_offset > 0 &&
		    (header->p_flags & PF_W) == 0)
			text_add(context, info->dlpi_addr + header->p_vaddr, header->p_filesz,
				 header->p_flags);
	}
	return 1;
}

/* Does the kernel make huge pages of the file? They stay the file's. */
static bool
text_try(const struct text_segment *segment, int fd)
{
	size_t room = segment->bytes + BASE_HUGE_BYTES;
	void *reserved =
	    mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start =
	    ((uintptr_t)reserved + BASE_HUGE_BYTES - 1) & ~(uintptr_t)(BASE_HUGE_BYTES - 1);
	bool good;

	if (reserved == MAP_FAILED)
		return false;
	good = mmap((void *)start, segment->bytes, segment->protection, MAP_PRIVATE | MAP_FIXED, fd,
		    0) != MAP_FAILED &&
	       base_collapse(start, start + segment->bytes) == segment->bytes;
	(void)munmap(reserved, room);
	return good;
}

/* The bytes of the last huge page that are behind the file's; NULL: there are none. */
static void *
text_behind(const struct text_segment *segment, size_t *ret_bytes)
{
	size_t used = (segment->used + TEXT_PAGE_BYTES - 1) & ~(size_t)(TEXT_PAGE_BYTES - 1);

	*ret_bytes = segment->bytes - used;
	return used < segment->bytes ? (void *)(segment->start + used) : NULL;
}

/* Addresses that nobody has, or it stays as it is. */
static bool
text_reserve(const struct text_segment *segment)
{
	size_t bytes;
	void *behind = text_behind(segment, &bytes);

	return behind == NULL || base_reserve((uintptr_t)behind, bytes);
}

static void
text_give_back(const struct text_segment *segment)
{
	size_t bytes;
	void *behind = text_behind(segment, &bytes);

	if (behind != NULL)
		(void)munmap(behind, bytes);
}

/* The code that runs here is replaced by the same code in one call. */
static size_t
text_replace(const struct text_segment *segment)
{
	autoclose int fd = base_memfd_copy("stint-text", (const void *)segment->start,
					   segment->used, segment->bytes, true);

	if (fd < 0 || !text_try(segment, fd) || !text_reserve(segment))
		return 0;
	if (mmap((void *)segment->start, segment->bytes, segment->protection,
		 MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
		text_give_back(segment);
		return 0;
	}
	return base_collapse(segment->start, segment->start + segment->bytes);
}

size_t
zygote_text_settle(void)
{
	struct text_program program = {.count = 0};
	size_t bytes = 0;

	(void)dl_iterate_phdr(text_find, &program);
	for (unsigned i = 0; i < program.count; i++)
		bytes += text_replace(&program.segments[i]);
	return bytes;
}
