/*
 * The setting metrics_listen, taken apart. Pure; the spawner and --check-config use it.
 */
#ifndef STINT_PROTOCOL_METRICS_ADDRESS_H
#define STINT_PROTOCOL_METRICS_ADDRESS_H

#include "protocol/error.h"

#include <stdint.h>

#define METRICS_ADDRESS_PATH_BYTES 108

enum metrics_address_kind {
	METRICS_ADDRESS_NONE, /* empty: metrics are not served */
	METRICS_ADDRESS_UNIX,
	METRICS_ADDRESS_IPV4, /* 127.0.0.1 */
	METRICS_ADDRESS_IPV6, /* ::1 */
};

struct metrics_address {
	enum metrics_address_kind kind;
	uint16_t port;
	char path[METRICS_ADDRESS_PATH_BYTES]; /* UNIX: absolute */
};

/* Only what this host alone can reach is taken; ERROR_INVALID says what may be written. */
int metrics_address_parse(const char *text, struct metrics_address *ret_address, struct error *err);

#endif
