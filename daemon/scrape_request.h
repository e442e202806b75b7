/*
 * POLICY of the metrics' HTTP side: what a request is answered with. Pure.
 */
#ifndef STINT_DAEMON_SCRAPE_REQUEST_H
#define STINT_DAEMON_SCRAPE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* Of a request's line and headers together, the empty line included. */
#define SCRAPE_REQUEST_BYTES_MAX 8192u

enum scrape_verdict {
	SCRAPE_MORE = 0, /* it is not complete */
	SCRAPE_OK = 200,
	SCRAPE_BAD_REQUEST = 400,
	SCRAPE_NOT_FOUND = 404,
	SCRAPE_METHOD_NOT_ALLOWED = 405,
	SCRAPE_TIME_OUT = 408,
	SCRAPE_MISDIRECTED = 421, /* Host names another: a web page that tries to reach this one */
	SCRAPE_TOO_LARGE = 431,
	SCRAPE_UNAVAILABLE = 503,
	SCRAPE_VERSION = 505,
};

/*
 * Judge what has come so far of a request. local: over TCP, where Host must name the loopback
 * interface. What follows the empty line is not looked at: a request has no body.
 */
enum scrape_verdict scrape_request(const char *bytes, size_t size, bool local);
/* "Not Found" */
const char *scrape_reason(enum scrape_verdict verdict);

#endif
