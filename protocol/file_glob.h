/*
 * Patterns over the names of scratch files. A pattern has components like a name. In a component *
 * stands for any characters, ? for one, [abc], [a-z] and [!a] for one of a set (a [ without its ]
 * is itself); none of them matches a /. A component ** stands for any number of directories, also
 * none. A leading dot is like any character.
 */
#ifndef STINT_PROTOCOL_FILE_GLOB_H
#define STINT_PROTOCOL_FILE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Neither needs a NUL at its end. Takes time in the order of pattern size times name size. */
bool file_glob_matches(const char *pattern, size_t pattern_size, const char *name,
		       size_t name_size);

#endif
