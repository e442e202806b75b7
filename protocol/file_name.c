/*
 * The rules for names of scratch files. Pure: looks at bytes, opens nothing, allocates nothing.
 * Called on both sides of every border, since what is safe for one reader must not rest on another
 * one's check. Cannot fail.
 */
#include "protocol/file_name.h"

#include "protocol/base_utf8.h"
#include "protocol/limits.h"

#include <string.h>

static const char *
file_name_component_fault(const char *part, size_t size)
{
	if (size == 0)
		return "has an empty component";
	if (part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.')))
		return "has a component \".\" or \"..\"";
	return NULL;
}

const char *
file_name_fault(const void *name, size_t size)
{
	const char *text = name;
	size_t start = 0;

	if (size == 0)
		return "is empty";
	if (size > NAME_BYTES_MAX)
		return "has more than 255 bytes";
	if (memchr(text, '\0', size) != NULL)
		return "holds a NUL character";
	if (!base_utf8_valid(text, size))
		return "is not UTF-8";
	if (text[0] == '/')
		return "is not relative";
	for (size_t i = 0; i <= size; i++) {
		const char *fault;

		if (i < size && text[i] != '/')
			continue;
		fault = file_name_component_fault(text + start, i - start);
		if (fault != NULL)
			return fault;
		start = i + 1;
	}
	return NULL;
}

size_t
file_name_depth(const void *name, size_t size)
{
	const char *text = name;
	size_t depth = 1;

	for (size_t i = 0; i < size; i++)
		depth += text[i] == '/';
	return depth;
}

int
file_name_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}
