/*
 * The pages that every job writes to: found out once, copied by each worker while it waits.
 *
 * A fork shares all pages of the zygote until it writes to them; each first write is a fault of
 * about a microsecond, a few hundred in the smallest job. They are the same pages in each worker,
 * since all are forks of one process that has stopped changing.
 */
#ifndef STINT_WORKER_ZYGOTE_TOUCH_H
#define STINT_WORKER_ZYGOTE_TOUCH_H

#include <stdbool.h>

/*
 * In the zygote, once, with /proc there and nothing to be changed any more: fork a child, have it
 * call `live`, which returns, and remember which pages it wrote to, and no others. What cannot be
 * found out is not remembered; that is no error. context: for `live`. True: here a page costs less
 * by its fault than when it is asked for.
 */
bool zygote_touch_learn(void (*live)(void *context), void *context);
/* In a worker: write to those pages, changing nothing. How many; 0: none is known. */
unsigned zygote_touch(void);

#endif
