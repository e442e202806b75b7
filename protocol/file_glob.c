/*
 * The matcher of `collect` patterns. At both of its levels, components and characters, only the
 * last star is ever tried again: what an earlier one could take more, the later one can too. So no
 * pattern makes it slow. Characters are those of UTF-8; a byte that is not part of any is one by
 * itself. Pure; called by the worker on names that the job chose. Cannot fail.
 */
#include "protocol/file_glob.h"

#include <stdint.h>
#include <string.h>

/* The character at *at, which moves behind it. */
static uint32_t
file_glob_next(const char *text, size_t size, size_t *at)
{
	unsigned char first = (unsigned char)text[(*at)++];
	size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
	uint32_t character = first & (0x7fu >> (more + (more > 0)));

	if (first < 0x80)
		return first;
	if (more == 0 || more > size - *at)
		return 0x80000000u | first;
	for (size_t i = 0; i < more; i++) {
		unsigned char byte = (unsigned char)text[*at + i];

		if ((byte & 0xc0) != 0x80)
			return 0x80000000u | first;
		character = character << 6 | (byte & 0x3f);
	}
	*at += more;
	return character;
}

/*
 * A set whose [ is before *at: whether it holds `character`; *at moves behind its ]. Without a ]
 * nothing moves and *ret_is_set is false.
 */
static bool
file_glob_set(const char *pattern, size_t size, size_t *at, uint32_t character, bool *ret_is_set)
{
	size_t here = *at;
	bool negated = here < size && (pattern[here] == '!' || pattern[here] == '^');
	bool found = false, first = true;

	here += negated;
	*ret_is_set = false;
	while (here < size && (first || pattern[here] != ']')) {
		uint32_t low = file_glob_next(pattern, size, &here), high = low;

		first = false;
		if (size - here >= 2 && pattern[here] == '-' && pattern[here + 1] != ']') {
			here++;
			high = file_glob_next(pattern, size, &here);
		}
		found = found || (low <= character && character <= high);
	}
	if (here >= size)
		return false;
	*at = here + 1;
	*ret_is_set = true;
	return found != negated;
}

/* One character of the pattern against one of the name; both move. */
static bool
file_glob_one(const char *pattern, size_t size, size_t *at, uint32_t character)
{
	uint32_t wanted = file_glob_next(pattern, size, at);
	bool is_set, matches;

	if (wanted == '?')
		return true;
	if (wanted == '[') {
		matches = file_glob_set(pattern, size, at, character, &is_set);
		if (is_set)
			return matches;
	}
	return wanted == character;
}

/* Neither has a /. */
static bool
file_glob_component(const char *pattern, size_t size, const char *name, size_t name_size)
{
	size_t at = 0, name_at = 0, star = SIZE_MAX, star_name = 0;

	while (name_at < name_size) {
		if (at < size && pattern[at] == '*') {
			star = ++at;
			star_name = name_at;
			continue;
		}
		if (at < size) {
			size_t next = at, name_next = name_at;

			if (file_glob_one(pattern, size, &next,
					  file_glob_next(name, name_size, &name_next))) {
				at = next;
				name_at = name_next;
				continue;
			}
		}
		if (star == SIZE_MAX)
			return false;
		/* The last star takes one more. */
		(void)file_glob_next(name, name_size, &star_name);
		at = star;
		name_at = star_name;
	}
	while (at < size && pattern[at] == '*')
		at++;
	return at == size;
}

/* Bytes up to the next / or the end. */
static size_t
file_glob_span(const char *text, size_t size, size_t at)
{
	const char *slash = at < size ? memchr(text + at, '/', size - at) : NULL;

	return slash != NULL ? (size_t)(slash - text) - at : size - at;
}

bool
file_glob_matches(const char *pattern, size_t pattern_size, const char *name, size_t name_size)
{
	/* Where the next component begins; one behind the size: there is none. */
	size_t at = 0, name_at = 0, star = SIZE_MAX, star_name = 0;

	while (name_at <= name_size) {
		size_t span = at <= pattern_size ? file_glob_span(pattern, pattern_size, at) : 0;
		size_t name_span = file_glob_span(name, name_size, name_at);

		if (at <= pattern_size && span == 2 && memcmp(pattern + at, "**", 2) == 0) {
			at += span + 1;
			star = at;
			star_name = name_at;
			if (at > pattern_size)
				return true; /* ** at the end: all that is below */
			continue;
		}
		if (at <= pattern_size &&
		    file_glob_component(pattern + at, span, name + name_at, name_span)) {
			at += span + 1;
			name_at += name_span + 1;
			continue;
		}
		if (star == SIZE_MAX)
			return false;
		star_name += file_glob_span(name, name_size, star_name) + 1;
		at = star;
		name_at = star_name;
	}
	return at > pattern_size;
}
