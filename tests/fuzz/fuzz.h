/*
 * What every fuzz target has: libFuzzer's entry point, and a check that no sanitizer makes.
 *
 * A target takes hostile bytes as the process in its name would get them, and states what must hold
 * whatever they are. It keeps no state between two inputs, so that a finding can be run again
 * alone.
 */
#ifndef STINT_TESTS_FUZZ_H
#define STINT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold: says what did not, and ends as a crash does, so that the input is kept. */
#define FUZZ_HOLDS(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,    \
				      #condition);                                                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
