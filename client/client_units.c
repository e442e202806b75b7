/*
 * People's units to numbers and back. Pure functions of their arguments.
 *
 * Called by client_options.c (parsing) and client_print.c (showing). Never guesses: a time without
 * a unit is refused, since seconds and milliseconds are both plausible. Fails with a text that says
 * what would have been understood.
 */
#define _GNU_SOURCE
#include "client/client_units.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNITS_AMOUNT_MAX 9.2e18

struct unit {
	const char *name;
	double factor;
};

static const struct unit UNITS_MS[] = {
    {"ms", 1}, {"s", 1e3}, {"min", 6e4}, {"h", 3.6e6}, {NULL, 0},
};
static const struct unit UNITS_BYTES[] = {
    {"", 1},          {"B", 1},          {"K", 1024},         {"KiB", 1024}, {"M", 1048576},
    {"MiB", 1048576}, {"G", 1073741824}, {"GiB", 1073741824}, {NULL, 0},
};
static const struct unit UNITS_COUNT[] = {{"", 1}, {NULL, 0}};

/* Only decimal digits, one point and an exponent: strtod alone would take "inf", "0x10" and " 1".
 */
static bool
client_units_number(const char *text, double *ret_value, const char **ret_rest)
{
	char *rest;

	if (!isdigit((unsigned char)text[0]) || strncasecmp(text, "0x", 2) == 0)
		return false;
	*ret_value = strtod(text, &rest);
	*ret_rest = rest;
	return true;
}

int
client_units_parse(const char *text, const char *unit, uint64_t *ret_amount, struct error *err)
{
	const struct unit *units = UNITS_COUNT;
	const char *hint = "a number such as 4 or 1e6";
	const char *rest;
	double value;

	if (strcmp(unit, "ms") == 0) {
		units = UNITS_MS;
		hint = "a time with its unit, such as 500ms, 2s or 1.5min";
	} else if (strcmp(unit, "bytes") == 0) {
		units = UNITS_BYTES;
		hint = "a size such as 65536, 64K, 256M or 1G";
	}
	if (!client_units_number(text, &value, &rest))
		return error_set(err, ERROR_INVALID, "'%s' is not %s", text, hint);
	while (units->name != NULL && strcasecmp(units->name, rest) != 0)
		units++;
	if (units->name == NULL)
		return error_set(err, ERROR_INVALID, "'%s' is not %s", text, hint);
	value *= units->factor;
	if (!(value <= UNITS_AMOUNT_MAX))
		return error_set(err, ERROR_LIMIT, "'%s' is too large", text);
	/* Rounded up; by hand, since libm would be needed for this alone. */
	*ret_amount = (uint64_t)value;
	if ((double)*ret_amount < value)
		++*ret_amount;
	return 0;
}

char *
client_units_time(uint64_t microseconds, char ret[CLIENT_UNITS_BYTES])
{
	double value = (double)microseconds;

	if (microseconds < 1000)
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.0f us", value);
	else if (microseconds < 1000000)
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.1f ms", value / 1e3);
	else
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.2f s", value / 1e6);
	return ret;
}

char *
client_units_size(uint64_t bytes, char ret[CLIENT_UNITS_BYTES])
{
	double value = (double)bytes;

	if (bytes < 1024)
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.0f B", value);
	else if (bytes < 1048576)
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.1f KiB", value / 1024);
	else if (bytes < 1073741824)
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.1f MiB", value / 1048576);
	else
		(void)snprintf(ret, CLIENT_UNITS_BYTES, "%.2f GiB", value / 1073741824);
	return ret;
}
