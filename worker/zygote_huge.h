/*
 * The interpreter's arenas in huge pages: a fork copies one entry for 2 MiB, and not one for each
 * page of 4 KiB that the zygote has; the end of a worker gives back what it shares by ranges and
 * not page by page. What a worker writes to is still copied by pages of 4 KiB.
 */
#ifndef STINT_WORKER_ZYGOTE_HUGE_H
#define STINT_WORKER_ZYGOTE_HUGE_H

#include <stddef.h>

/*
 * Once, before the interpreter is initialised: its arenas will lie together from the start of a
 * huge page. Cannot fail: where address space is short, they are where they would have been.
 */
void zygote_huge_begin(void);
/*
 * Once, when nothing more is to be allocated but for the workers, no fork is alive and madvise() is
 * not filtered: make huge pages of them. How many bytes are in huge pages now. 0 is no error: the
 * kernel has no MADV_COLLAPSE (before Linux 6.1), or no huge page to give. Later arenas are mapped
 * one by one, as CPython does it.
 */
size_t zygote_huge_settle(void);

#endif
