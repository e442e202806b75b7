/*
 * The zygote's heaps, made so that its workers do not write into its pages.
 */
#ifndef STINT_WORKER_ZYGOTE_HEAP_H
#define STINT_WORKER_ZYGOTE_HEAP_H

#include <stddef.h>

/* Before the interpreter is started: the C library's heap goes on at the start of a huge page. */
void zygote_heap_begin(void);

/*
 * Use up what is free between the objects that live: a fork that allocates gets memory that lies
 * together at the end of the heaps, and not a hole in each of a hundred pages that it would have to
 * copy. Call both with nothing more to be freed, before the size of the data is measured that jobs'
 * limits start from. What they take is never given back: less than what was free. Cannot fail:
 * where memory is short or an allocator works otherwise, holes are left.
 */
/* Of Python's objects. What is made after it, for workers, lies together with what they make. */
void zygote_heap_fill_pools(void);
/* Of the C library. */
void zygote_heap_fill_blocks(void);
/* After both, with no fork alive and madvise() not filtered: have that heap made into huge pages
 * (see zygote_huge.h). How many bytes; 0 is no error. */
size_t zygote_heap_settle(void);
/*
 * The last before the first fork: join what has been freed in small pieces since, which each worker
 * would do at its first larger allocation, and copy the pages of all of them.
 */
void zygote_heap_join(void);

#endif
