/*
 * struct error: fills a fixed text, never allocates, never logs.
 *
 * Called by every fallible function. Works after fork and with no memory left; a text that is too
 * long is cut, control characters become '?', so an error is always one line.
 */
#define _GNU_SOURCE
#include "protocol/error.h"
#include "protocol/base_utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ERROR_SEQUENCE_BYTES 4 /* longest UTF-8 sequence */

/* One line whatever the arguments held; a cut in the middle of a UTF-8 sequence is taken back. */
static void
error_tidy(struct error *err)
{
	size_t length = strlen(err->text), whole;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)err->text[i];

		if (c < 0x20 || c == 0x7f)
			err->text[i] = '?';
	}
	if (length < ERROR_TEXT_BYTES - 1)
		return;
	whole = base_utf8_prefix(err->text, length);
	if (length - whole < ERROR_SEQUENCE_BYTES)
		err->text[whole] = '\0';
}

static void error_vset(struct error *err, int code, int sys, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));
static void
error_vset(struct error *err, int code, int sys, const char *format, va_list args)
{
	err->code = code;
	err->sys = sys;
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	error_tidy(err);
}

int
error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (err != NULL) {
		va_start(args, format);
		error_vset(err, code, 0, format, args);
		va_end(args);
	}
	return code;
}

int
error_errno(struct error *err, const char *format, ...)
{
	int saved = errno;
	size_t length;
	va_list args;

	if (err == NULL)
		return ERROR_SYSTEM;
	va_start(args, format);
	error_vset(err, ERROR_SYSTEM, saved, format, args);
	va_end(args);
	length = strlen(err->text);
	/* strerrordesc_np takes no lock and no locale: safe after fork. */
	const char *reason = strerrordesc_np(saved);

	if (reason != NULL)
		(void)snprintf(err->text + length, sizeof(err->text) - length, ": %s", reason);
	else
		(void)snprintf(err->text + length, sizeof(err->text) - length, ": errno %d", saved);
	errno = saved;
	return ERROR_SYSTEM;
}

int
error_wrap(struct error *err, const char *format, ...)
{
	char before[ERROR_TEXT_BYTES];
	size_t used, keep;
	va_list args;

	if (err == NULL)
		return ERROR_SYSTEM;
	memcpy(before, err->text, sizeof(before));
	va_start(args, format);
	error_vset(err, err->code, err->sys, format, args);
	va_end(args);
	used = strlen(err->text);
	if (used + 2 < sizeof(err->text)) {
		memcpy(err->text + used, ": ", 2);
		used += 2;
		keep = strnlen(before, sizeof(err->text) - 1 - used);
		memcpy(err->text + used, before, keep);
		err->text[used + keep] = '\0';
		error_tidy(err);
	}
	return err->code;
}
