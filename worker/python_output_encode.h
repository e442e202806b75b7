/*
 * UTF-8 from CPython's three ways of storing characters. Plain C, no allocation.
 */
#ifndef STINT_WORKER_PYTHON_OUTPUT_ENCODE_H
#define STINT_WORKER_PYTHON_OUTPUT_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#define OUTPUT_ENCODE_REFUSED SIZE_MAX

/* Bytes that `length` characters of `kind` (1, 2 or 4) bytes need; REFUSED with a surrogate in
 * them. */
size_t python_output_encode_size(unsigned kind, const void *data, size_t length);
/*
 * Encode from character *at on while whole characters fit into `room` bytes; moves *at. Returns the
 * bytes written; REFUSED at a surrogate.
 */
size_t python_output_encode(unsigned kind, const void *data, size_t length, size_t *at,
			    uint8_t *ret_bytes, size_t room);

#endif
