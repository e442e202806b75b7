/*
 * A job's count of opcodes, and how long its rate held it back, as its page has it.
 */
#ifndef STINT_DAEMON_METER_READ_H
#define STINT_DAEMON_METER_READ_H

#include "protocol/worker_abi.h"

#include <stdint.h>

/* 0 .. INT64_MAX, whatever the page says. Any thread. */
uint64_t meter_read(const struct worker_page *page);
/* Time that the job was held back by its rate: 0 .. most_us, whatever the page says. Any thread. */
uint64_t meter_read_throttled_us(const struct worker_page *page, uint64_t most_us);

#endif
