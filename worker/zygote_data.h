/*
 * The program's own data, with the interpreter's, in huge pages, for the same reason as the arenas
 * (zygote_huge.h): 320 pages that each fork would copy an entry of, and look up the page of, twice.
 */
#ifndef STINT_WORKER_ZYGOTE_DATA_H
#define STINT_WORKER_ZYGOTE_DATA_H

#include <stddef.h>

/*
 * Once, with one thread, no fork alive and no call filtered: the writable data of the program (what
 * is read-only after relocation stays) is copied into huge pages, which take its place at the same
 * addresses in one call. How many bytes. 0 is no error: the data does not begin at a huge page (a
 * program that is not linked for it), something else is mapped close behind it, or the kernel gives
 * no huge page; then nothing has changed. Where the one call fails the process ends with
 * ZYGOTE_ARGS_EXIT_SETUP.
 */
size_t zygote_data_settle(void);

#endif
