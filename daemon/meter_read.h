/*
 * A job's count of opcodes as its page has it.
 */
#ifndef STINT_DAEMON_METER_READ_H
#define STINT_DAEMON_METER_READ_H

#include "protocol/worker_abi.h"

#include <stdint.h>

/* 0 .. INT64_MAX, whatever the page says. Any thread. */
uint64_t meter_read(const struct worker_page *page);

#endif
