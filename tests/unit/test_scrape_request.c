/*
 * scrape_request.c: what a request is answered with, also when it comes in pieces.
 */
#include "cmocka_headers.h"

#include "daemon/scrape_request.h"

#include <stdio.h>
#include <string.h>

#define H "Host: localhost\r\n"

struct row {
	const char *request;
	enum scrape_verdict local, unix_socket;
};

static const struct row ROWS[] = {
    {"GET /metrics HTTP/1.1\r\n" H "\r\n", 200, 200},
    {"GET /metrics HTTP/1.1\r\nhOsT:\t 127.0.0.1:9464 \t\r\n\r\n", 200, 200},
    {"GET /metrics HTTP/1.1\r\nHost: [::1]:1\r\n\r\n", 200, 200},
    {"GET /metrics HTTP/1.1\r\nHost: LOCALHOST\r\nAccept: */*\r\nX:\r\n\r\n", 200, 200},
    {"GET /metrics?a=b HTTP/1.1\r\n" H "\r\n", 200, 200},
    {"GET /metrics HTTP/1.0\r\n\r\n", 200, 200},
    {"GET /metrics HTTP/1.1\r\nContent-Length: 0\r\n" H "\r\n", 200, 200},
    {"GET /metrics HTTP/1.1\r\nHost: example\r\n\r\n", 421, 200},
    {"GET /metrics HTTP/1.1\r\nHost: localhost.example\r\n\r\n", 421, 200},
    {"GET /metrics HTTP/1.1\r\nHost: localhost:x\r\n\r\n", 421, 200},
    {"GET /metrics HTTP/1.1\r\nHost: localhost:\r\n\r\n", 421, 200},
    {"GET /metrics HTTP/1.1\r\nHost: \r\n\r\n", 421, 200},
    {"GET /metrics HTTP/1.0\r\nHost: example\r\n\r\n", 421, 200},
    {"GET /metric HTTP/1.1\r\n" H "\r\n", 404, 404},
    {"GET /metrics/ HTTP/1.1\r\n" H "\r\n", 404, 404},
    {"GET /%6detrics HTTP/1.1\r\n" H "\r\n", 404, 404},
    {"PUT /metrics HTTP/1.1\r\n" H "\r\n", 405, 405},
    {"get /metrics HTTP/1.1\r\n" H "\r\n", 405, 405},
    {"GET /metrics HTTP/1.2\r\n" H "\r\n", 505, 505},
    {"GET /metrics HTTP/0.9\r\n" H "\r\n", 505, 505},
    {"GET /metrics http/1.1\r\n" H "\r\n", 400, 400},
    {"GET /metrics HTTP/1.1 \r\n" H "\r\n", 400, 400},
    {"GET /metrics\r\n" H "\r\n", 400, 400},
    {" GET /metrics HTTP/1.1\r\n" H "\r\n", 400, 400},
    {"GET http://localhost/metrics HTTP/1.1\r\n" H "\r\n", 400, 400},
    {"GET * HTTP/1.1\r\n" H "\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H H "\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H ": x\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "A B: x\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "A: x\x01\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "no colon\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "A: x\r\n folded\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "A: x\ry\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\n" H "\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", 400, 400},
    {"GET /metrics HTTP/1.1\r\n" H "Content-Length: 00\r\n\r\n", 400, 400},
    {"\r\n\r\n", 400, 400},
    {"\r\nGET /metrics HTTP/1.1\r\n" H "\r\n", 400, 400},
    {"GET /m\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400, 400},
};
#define ROW_COUNT (sizeof(ROWS) / sizeof(ROWS[0]))

static void
test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		size_t size = strlen(ROWS[i].request);
		enum scrape_verdict local = scrape_request(ROWS[i].request, size, true);
		enum scrape_verdict other = scrape_request(ROWS[i].request, size, false);
		if (local != ROWS[i].local || other != ROWS[i].unix_socket) {
			print_error("%d and %d for %s", local, other, ROWS[i].request);
			fail();
		}
	}
}

/* Before the empty line nothing is said; what follows it changes nothing. */
static void
test_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		char longer[512];
		const char *request = ROWS[i].request, *end = strstr(request, "\r\n\r\n");
		for (size_t size = 0; size < (size_t)(end - request) + 4; size++)
			assert_int_equal(scrape_request(request, size, true), SCRAPE_MORE);
		(void)snprintf(longer, sizeof(longer), "%sGET\r\n\r\n\r\n", request);
		assert_int_equal(scrape_request(longer, strlen(longer), true), ROWS[i].local);
	}
}

static void
test_nul(void **state)
{
	static const char REQUEST[] = "GET /metrics HTTP/1.1\r\n" H "A: \0\r\n\r\n";
	static const char NAME[] = "GET /metrics HTTP/1.1\r\n" H "A\0: x\r\n\r\n";
	(void)state;
	assert_int_equal(scrape_request(REQUEST, sizeof(REQUEST) - 1, true), 400);
	assert_int_equal(scrape_request(NAME, sizeof(NAME) - 1, true), 400);
}

/* Of the largest size it is taken, one byte more is too much. */
static void
test_size(void **state)
{
	static const char BEGIN[] = "GET /metrics HTTP/1.1\r\n" H "A: ";
	char request[SCRAPE_REQUEST_BYTES_MAX + 1];
	(void)state;
	memset(request, 'x', sizeof(request));
	memcpy(request, BEGIN, sizeof(BEGIN) - 1);
	assert_int_equal(scrape_request(request, SCRAPE_REQUEST_BYTES_MAX - 1, true), SCRAPE_MORE);
	assert_int_equal(scrape_request(request, SCRAPE_REQUEST_BYTES_MAX, true), SCRAPE_TOO_LARGE);
	memcpy(request + SCRAPE_REQUEST_BYTES_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(scrape_request(request, SCRAPE_REQUEST_BYTES_MAX, true), SCRAPE_OK);
	memcpy(request + SCRAPE_REQUEST_BYTES_MAX - 4, "x\r\n\r\n", 5);
	assert_int_equal(scrape_request(request, SCRAPE_REQUEST_BYTES_MAX + 1, true),
			 SCRAPE_TOO_LARGE);
}

/* Every byte of a request exchanged for every other: no verdict but the known ones, and the good
 * one only where a byte means nothing (the value of a header, the query). */
static void
test_mutations(void **state)
{
	static const char REQUEST[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nA: b\r\n\r\n";
	char changed[sizeof(REQUEST)];
	unsigned good = 0;
	(void)state;
	for (size_t at = 0; at < sizeof(REQUEST) - 1; at++) {
		for (int byte = 0; byte < 256; byte++) {
			memcpy(changed, REQUEST, sizeof(REQUEST));
			changed[at] = (char)byte;
			enum scrape_verdict verdict =
			    scrape_request(changed, sizeof(REQUEST) - 1, true);
			assert_non_null(scrape_reason(verdict));
			if (verdict == SCRAPE_OK && changed[at] != REQUEST[at]) {
				bool in_request_line = at < strlen("GET /metrics HTTP/1.1\r\n");
				good++;
				/* 1.0 is the one other version. */
				assert_true(!in_request_line || (char)byte == '0');
			}
		}
	}
	assert_true(good > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),  cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_nul),       cmocka_unit_test(test_size),
	    cmocka_unit_test(test_mutations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
