/*
 * What went wrong, as a code and a text, without heap: usable after fork and with no memory left.
 *
 * Contract: a fallible function returns 0 or a negative ERROR_* code and takes `struct error *err`
 * last; on success err is untouched; on failure it is filled, once, by the function that knows
 * most. err may be NULL. Three classes are never mixed: a tenant's fault becomes a result for the
 * tenant; a system failure becomes an error and this job fails; a broken invariant aborts the
 * process (base_assert.h).
 */
#ifndef STINT_PROTOCOL_ERROR_H
#define STINT_PROTOCOL_ERROR_H

#include <stdarg.h>

enum error_code {
	ERROR_NONE = 0,
	ERROR_SYSTEM = -1,	 /* a system call failed: err->sys holds errno */
	ERROR_INVALID = -2,	 /* bytes from outside break a rule */
	ERROR_LIMIT = -3,	 /* a named cap would be exceeded */
	ERROR_NOT_FOUND = -4,
	ERROR_BUSY = -5,
	ERROR_UNSUPPORTED = -6,	 /* the machine lacks what is asked for */
	ERROR_CLOSED = -7,	 /* the other side is gone */
	ERROR_PERMISSION = -8,
};

#define ERROR_TEXT_BYTES 256

struct error {
	int code;		     /* enum error_code */
	int sys;		     /* errno, or 0 */
	char text[ERROR_TEXT_BYTES]; /* one line, NUL terminated, names the thing and the remedy */
};

#define ERROR_INIT { 0, 0, { 0 } }

/* Fill err (may be NULL) and return code. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As error_set with ERROR_SYSTEM; appends ": strerror(errno)" and stores errno. */
int error_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Put "prefix: " before the text that is there; returns err->code. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
