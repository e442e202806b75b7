/*
 * Assertions on our own invariants; never on data from outside the process.
 * require() always aborts, also in release. check_failed() logs and counts, and aborts under tests
 * (when STINT_FATAL_CHECKS is in the environment at start).
 */
#ifndef STINT_PROTOCOL_BASE_ASSERT_H
#define STINT_PROTOCOL_BASE_ASSERT_H

#include <stdbool.h>

#define require(x) \
	((x) ? (void)0 : base_assert_fail(#x, __FILE__, __LINE__, __func__))
#define check_failed(x) \
	(__builtin_expect(!(x), 0) && base_check_note(#x, __FILE__, __LINE__, __func__))

void base_assert_fail(const char *expression, const char *file, int line, const char *function)
    __attribute__((noreturn));
bool base_check_note(const char *expression, const char *file, int line, const char *function);

#endif
