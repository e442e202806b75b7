/*
 * stintd's side of the page that it shares with a worker (protocol/worker_page.h). stintd does not
 * map it: words are copied out of the file and one is written into it. What was read cannot change
 * between two looks at it, and there is nothing to fault.
 */
#ifndef STINT_DAEMON_PAGE_READ_H
#define STINT_DAEMON_PAGE_READ_H

#include "protocol/error.h"
#include "protocol/worker_abi.h"

#include <stddef.h>
#include <stdint.h>

/* Copy the header. As hostile as before. ERROR_SYSTEM, and *ret_page is all zeros, when the file
 * cannot be read, which a sealed one always can. Any thread. */
int page_read(int page_fd, struct worker_page *ret_page, struct error *err);
/* Opcodes of a job that runs: as page_opcodes, but 0 when there is no page (-1). Any thread. */
uint64_t page_read_opcodes(int page_fd);
/* The word `ended`: any value; 0 when it cannot be read. */
uint32_t page_read_ended(int page_fd);
/* Ask the worker to stop; no page (-1): nothing. Any thread. */
void page_write_stop(int page_fd, enum page_stop stop);
/* Opcodes that a dead worker's job was charged: 0 .. INT64_MAX, whatever the page says. */
uint64_t page_opcodes(const struct worker_page *page);
/* Time that the job was held back by its rate: 0 .. most_us, whatever the page says. */
uint64_t page_throttled_us(const struct worker_page *page, uint64_t most_us);
/* Write to `text` what the page says of a set-up that failed: step and errno, cleaned. */
const char *page_setup_text(const struct worker_page *page, char *text, size_t size);

#endif
