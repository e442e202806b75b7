/* cmocka.h and what it needs before it. */
#ifndef STINT_TESTS_UNIT_CMOCKA_HEADERS_H
#define STINT_TESTS_UNIT_CMOCKA_HEADERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
