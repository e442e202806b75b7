/*
 * The worker of the fake zygote: real handshake, a script in place of a program.
 */
#ifndef STINT_TESTS_FAKE_WORKER_H
#define STINT_TESTS_FAKE_WORKER_H

#include "fake_zygote.h"

/* fds: FORK_FD_COUNT in enum fork_fd order. */
void fake_worker_main(struct fake_shared *shared, uint64_t serial, const int *fds)
    __attribute__((noreturn));

#endif
