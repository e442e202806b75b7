/*
 * Grammar and range of one JSON number.
 *
 * Integers may have any number of digits; those beyond int64_t are told apart. A real must be
 * finite as a double, since clients' parsers would make an infinity of it. Reads nothing past
 * `size`.
 */
#include "protocol/json_scan_number.h"
#include "protocol/json_scan.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_INT64_DIGITS 19
/* A double is below 1.8e308: with this many digits before the point it can be too large. */
#define NUMBER_SAFE_EXPONENT 300

static size_t
number_digits(const uint8_t *text, size_t size, size_t at)
{
	size_t start = at;

	while (at < size && text[at] >= '0' && text[at] <= '9')
		at++;
	return at - start;
}

static bool
number_is_big(const uint8_t *digits, size_t count, bool negative)
{
	const char *limit = negative ? "9223372036854775808" : "9223372036854775807";

	if (count != NUMBER_INT64_DIGITS)
		return count > NUMBER_INT64_DIGITS;
	return memcmp(digits, limit, NUMBER_INT64_DIGITS) > 0;
}

/* Only texts that can be out of range come here. */
static bool
number_is_finite(const uint8_t *text, size_t length)
{
	char copy[JSON_REAL_BYTES_MAX + 1];

	memcpy(copy, text, length);
	copy[length] = '\0';
	return isfinite(strtod(copy, NULL));
}

enum json_number
json_scan_number(const uint8_t *text, size_t size, size_t *ret_length, const char **ret_reason)
{
	bool negative = size > 0 && text[0] == '-', real = false, doubtful = false;
	size_t start = negative ? 1 : 0, whole = number_digits(text, size, start);
	size_t at = start + whole, count;

	*ret_length = at;
	*ret_reason = "a digit is missing";
	if (whole == 0)
		return JSON_NUMBER_BAD;
	*ret_reason = "a number with a leading zero";
	if (whole > 1 && text[start] == '0')
		return JSON_NUMBER_BAD;
	*ret_reason = "a digit is missing";
	if (at < size && text[at] == '.') {
		real = true;
		count = number_digits(text, size, at + 1);
		if (count == 0)
			return JSON_NUMBER_BAD;
		at += 1 + count;
	}
	if (at < size && (text[at] == 'e' || text[at] == 'E')) {
		real = true;
		at++;
		if (at < size && (text[at] == '+' || text[at] == '-'))
			at++;
		count = number_digits(text, size, at);
		if (count == 0)
			return JSON_NUMBER_BAD;
		at += count;
		doubtful = true;
	}
	*ret_length = at;
	if (!real)
		return number_is_big(text + start, whole, negative) ? JSON_NUMBER_BIG
								    : JSON_NUMBER_PLAIN;
	*ret_reason = "a real number of too many digits";
	if (at > JSON_REAL_BYTES_MAX)
		return JSON_NUMBER_BAD;
	*ret_reason = "a real number beyond the range of a double";
	if ((doubtful || whole > NUMBER_SAFE_EXPONENT) && !number_is_finite(text, at))
		return JSON_NUMBER_BAD;
	return JSON_NUMBER_PLAIN;
}
