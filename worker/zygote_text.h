/*
 * The program's code and constants in huge pages, the interpreter's among them where it is linked
 * in: a worker has them by a few faults and not by one for each 64 KiB that it runs through.
 */
#ifndef STINT_WORKER_ZYGOTE_TEXT_H
#define STINT_WORKER_ZYGOTE_TEXT_H

#include <stddef.h>

/*
 * In the zygote, once, before its filter and its first fork, with one thread: put sealed copies of
 * what is worth a huge page in the place of the program's file. No mapping is ever writable, and
 * each file is sealed before it is mapped. How many bytes are in huge pages now.
 * 0 is no error: the program is not laid out for it (see configure's --with-libpython), the kernel
 * cannot (before Linux 6.1; memory files that may not be executed), or no huge page is free.
 */
size_t zygote_text_settle(void);

#endif
