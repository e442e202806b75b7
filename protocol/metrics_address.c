/*
 * Metrics name all tenants and have no login: they are for this host alone, so a name, a wildcard
 * or another address of the host is refused. Called at the start. Fails with a text for the
 * operator.
 */
#include "protocol/metrics_address.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool
metrics_address_port(const char *text, uint16_t *ret_port)
{
	unsigned port = 0;

	if (*text < '1' || *text > '9' || strlen(text) > 5)
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		port = port * 10 + (unsigned)(*text - '0');
	if (*text != '\0' || port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

int
metrics_address_parse(const char *text, struct metrics_address *ret_address, struct error *err)
{
	static const struct {
		const char *prefix;
		enum metrics_address_kind kind;
	} FORMS[] = {
	    {"unix:", METRICS_ADDRESS_UNIX},
	    {"127.0.0.1:", METRICS_ADDRESS_IPV4},
	    {"[::1]:", METRICS_ADDRESS_IPV6},
	};
	struct metrics_address address = {.kind = METRICS_ADDRESS_NONE};
	const char *rest = text;

	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		size_t length = strlen(FORMS[i].prefix);
		if (strncmp(text, FORMS[i].prefix, length) == 0) {
			address.kind = FORMS[i].kind;
			rest = text + length;
		}
	}
	if (address.kind == METRICS_ADDRESS_NONE && *text != '\0')
		return error_set(err, ERROR_INVALID,
				 "metrics_listen: \"%s\" is not for this host alone (want "
				 "unix:/PATH, 127.0.0.1:PORT or [::1]:PORT)",
				 text);
	if (address.kind == METRICS_ADDRESS_UNIX) {
		if (*rest != '/' || rest[strlen(rest) - 1] == '/' ||
		    strlen(rest) >= sizeof(address.path))
			return error_set(err, ERROR_INVALID,
					 "metrics_listen: \"%s\" is not an absolute path of a file",
					 rest);
		(void)snprintf(address.path, sizeof(address.path), "%s", rest);
	} else if (address.kind != METRICS_ADDRESS_NONE &&
		   !metrics_address_port(rest, &address.port)) {
		return error_set(err, ERROR_INVALID,
				 "metrics_listen: \"%s\" is no port (want 1 to 65535)", rest);
	}
	*ret_address = address;
	return 0;
}
