/*
 * Amounts as people write them, for limits on the command line: "2s", "500ms", "1.5min", "256M",
 * "1e6". Decimal fractions are taken; the result is rounded up to the unit of the limit.
 */
#ifndef STINT_CLIENT_CLIENT_UNITS_H
#define STINT_CLIENT_CLIENT_UNITS_H

#include "protocol/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Read `text` as an amount in `unit`, a limit's own (limits.def):
 *   "ms"     needs a unit: ms, s, min, h
 *   "bytes"  bare or B, K, M, G (also KiB, MiB, GiB) of 1024
 *   other    a plain count; "1e6" is one too
 * ERROR_INVALID names the remedy; ERROR_LIMIT when the amount passes 2^63.
 */
int client_units_parse(const char *text, const char *unit, uint64_t *ret_amount, struct error *err);

#define CLIENT_UNITS_BYTES 32

/* "1.50 s", "12.3 ms", "850 us"; returns ret. */
char *client_units_time(uint64_t microseconds, char ret[CLIENT_UNITS_BYTES]);
/* "12 B", "1.5 KiB", "96.0 MiB"; returns ret. */
char *client_units_size(uint64_t bytes, char ret[CLIENT_UNITS_BYTES]);

#endif
