/*
 * Reads HTTP/1.1 and 1.0 requests as RFC 9112 has them, and nothing more: one blank between the
 * words, CR LF at each line's end, no folded header, no body. Whatever could be read in two ways is
 * refused, since another program may stand in between. A browser can be made to connect to
 * 127.0.0.1 by a page of somebody's own domain; it says that domain in Host, which is refused.
 * Called by scrape.c.
 */
#define _GNU_SOURCE
#include "daemon/scrape_request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t size;
};

static bool
span_is(struct span span, const char *text)
{
	return span.size == strlen(text) && memcmp(span.at, text, span.size) == 0;
}

static bool
span_is_name(struct span span, const char *name)
{
	return span.size == strlen(name) && strncasecmp(span.at, name, span.size) == 0;
}

static bool
span_starts(struct span span, const char *text)
{
	return span.size >= strlen(text) && memcmp(span.at, text, strlen(text)) == 0;
}

/* A token of RFC 9110. */
static bool
scrape_is_token(struct span span)
{
	for (size_t i = 0; i < span.size; i++) {
		unsigned char c = (unsigned char)span.at[i];
		if (c >= 0x80 || (!isalnum(c) && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c))))
			return false;
	}
	return span.size > 0;
}

/* Up to `end`, which is taken too; false when it is not there. */
static bool
span_take(struct span *rest, const char *end, struct span *ret_part)
{
	const char *found = memmem(rest->at, rest->size, end, strlen(end));
	if (!found)
		return false;
	*ret_part = (struct span){rest->at, (size_t)(found - rest->at)};
	rest->size -= ret_part->size + strlen(end);
	rest->at = found + strlen(end);
	return true;
}

static enum scrape_verdict
scrape_line(struct span line)
{
	struct span method, target;
	if (!span_take(&line, " ", &method) || !span_take(&line, " ", &target) ||
	    !scrape_is_token(method) || target.size == 0)
		return SCRAPE_BAD_REQUEST;
	for (size_t i = 0; i < target.size; i++) {
		if (target.at[i] <= ' ' || target.at[i] > '~')
			return SCRAPE_BAD_REQUEST;
	}
	if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
		return span_starts(line, "HTTP/") && line.size == strlen("HTTP/1.1")
			   ? SCRAPE_VERSION
			   : SCRAPE_BAD_REQUEST;
	if (!span_is(method, "GET"))
		return SCRAPE_METHOD_NOT_ALLOWED;
	if (target.at[0] != '/')
		return SCRAPE_BAD_REQUEST;
	return span_is(target, "/metrics") || span_starts(target, "/metrics?") ? SCRAPE_OK
									       : SCRAPE_NOT_FOUND;
}

static bool
scrape_is_local(struct span host)
{
	static const char *const NAMES[] = {"localhost", "127.0.0.1", "[::1]"};
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		size_t length = strlen(NAMES[i]);
		if (host.size < length || strncasecmp(host.at, NAMES[i], length) != 0)
			continue;
		if (host.size == length)
			return true;
		size_t at = length + 1;
		while (at < host.size && isdigit((unsigned char)host.at[at]))
			at++;
		return host.at[length] == ':' && at == host.size && at > length + 1;
	}
	return false;
}

struct scrape_headers {
	unsigned hosts;
	bool foreign;
};

static bool
scrape_header(struct span line, bool local, struct scrape_headers *headers)
{
	struct span name;
	if (!span_take(&line, ":", &name) || !scrape_is_token(name))
		return false;
	while (line.size > 0 && (*line.at == ' ' || *line.at == '\t')) {
		line.at++;
		line.size--;
	}
	while (line.size > 0 && (line.at[line.size - 1] == ' ' || line.at[line.size - 1] == '\t'))
		line.size--;
	for (size_t i = 0; i < line.size; i++) {
		unsigned char c = (unsigned char)line.at[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	if (span_is_name(name, "Host")) {
		headers->hosts++;
		headers->foreign = local && !scrape_is_local(line);
	}
	/* There is no body, whatever it is said to be. */
	return !span_is_name(name, "Transfer-Encoding") &&
	       (!span_is_name(name, "Content-Length") || span_is(line, "0"));
}

enum scrape_verdict
scrape_request(const char *bytes, size_t size, bool local)
{
	struct span rest = {bytes, size}, line;
	struct scrape_headers headers = {0, false};
	const char *end = memmem(bytes, size, "\r\n\r\n", 4);
	if (!end)
		return size >= SCRAPE_REQUEST_BYTES_MAX ? SCRAPE_TOO_LARGE : SCRAPE_MORE;
	rest.size = (size_t)(end - bytes) + 2;
	if (rest.size + 2 > SCRAPE_REQUEST_BYTES_MAX)
		return SCRAPE_TOO_LARGE;
	/* A line end of one byte is one for some programs and none for others. */
	for (size_t i = 0; i < rest.size; i++) {
		if ((bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) ||
		    (bytes[i] == '\r' && bytes[i + 1] != '\n') || bytes[i] == '\0')
			return SCRAPE_BAD_REQUEST;
	}
	(void)span_take(&rest, "\r\n", &line);
	bool needs_host = line.size >= 3 && memcmp(line.at + line.size - 3, "1.1", 3) == 0;
	enum scrape_verdict verdict = scrape_line(line);
	if (verdict == SCRAPE_BAD_REQUEST || verdict == SCRAPE_VERSION)
		return verdict;
	while (rest.size > 0) {
		(void)span_take(&rest, "\r\n", &line);
		if (!scrape_header(line, local, &headers))
			return SCRAPE_BAD_REQUEST;
	}
	if (headers.hosts > 1 || (needs_host && headers.hosts == 0))
		return SCRAPE_BAD_REQUEST;
	return headers.foreign ? SCRAPE_MISDIRECTED : verdict;
}

const char *
scrape_reason(enum scrape_verdict verdict)
{
	switch (verdict) {
	case SCRAPE_OK:
		return "OK";
	case SCRAPE_NOT_FOUND:
		return "Not Found";
	case SCRAPE_METHOD_NOT_ALLOWED:
		return "Method Not Allowed";
	case SCRAPE_TIME_OUT:
		return "Request Timeout";
	case SCRAPE_MISDIRECTED:
		return "Misdirected Request";
	case SCRAPE_TOO_LARGE:
		return "Request Header Fields Too Large";
	case SCRAPE_UNAVAILABLE:
		return "Service Unavailable";
	case SCRAPE_VERSION:
		return "HTTP Version Not Supported";
	case SCRAPE_MORE:
	case SCRAPE_BAD_REQUEST:
		break;
	}
	return "Bad Request";
}
