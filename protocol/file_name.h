/*
 * Names of files in a job's scratch directory: relative paths, the same rules in the request, in
 * the worker, in stintd when files come back, and in the client before it writes any.
 */
#ifndef STINT_PROTOCOL_FILE_NAME_H
#define STINT_PROTOCOL_FILE_NAME_H

#include <stddef.h>

/*
 * What is wrong with a name, as the end of a sentence ("is empty"); NULL when it is good: UTF-8, at
 * most NAME_BYTES_MAX bytes, no NUL, components with one '/' between them, none of them "." or
 * "..", not absolute.
 */
const char *file_name_fault(const void *name, size_t size);
/* Number of components of a good name. */
size_t file_name_depth(const void *name, size_t size);
/* Less than, equal to or greater than 0: the order in which collected files come back. */
int file_name_compare(const void *a, size_t a_size, const void *b, size_t b_size);

#endif
