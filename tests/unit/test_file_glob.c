/*
 * The patterns of `collect`: a table, a comparison with a slow and simple matcher over all short
 * patterns, and patterns that were made to be slow.
 */
#include "protocol/file_glob.h"
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

static bool
matches(const char *pattern, const char *name)
{
	return file_glob_matches(pattern, strlen(pattern), name, strlen(name));
}

static void
table(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} CASES[] = {
	    {"a", "a", true},
	    {"a", "b", false},
	    {"a", "a/b", false},
	    {"*", "a", true},
	    {"*", ".a", true},
	    {"*", "a/b", false},
	    {"a*", "a", true},
	    {"*a*b", "xaxab", true},
	    {"*a*b", "xaxa", false},
	    {"?", "\xc3\xa9", true},
	    {"??", "\xc3\xa9", false},
	    {"?", "\xff", true},
	    {"[abc]", "b", true},
	    {"[abc]", "d", false},
	    {"[a-c]x", "bx", true},
	    {"[!a-c]", "b", false},
	    {"[^a-c]", "d", true},
	    {"[]]", "]", true},
	    {"[!]]", "]", false},
	    {"[a-]", "-", true},
	    {"[", "[", true},
	    {"[a", "[a", true},
	    {"[a", "a", false},
	    {"[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true},
	    {"[/]", "/", false},
	    {"**", "a", true},
	    {"**", "a/b/c", true},
	    {"a/**", "a/b", true},
	    {"a/**", "a/b/c", true},
	    {"a/**", "a", false},
	    {"**/a", "a", true},
	    {"**/a", "b/c/a", true},
	    {"**/a", "b/ca", false},
	    {"a/**/b", "a/b", true},
	    {"a/**/b", "a/x/y/b", true},
	    {"a/**/b", "a/x/c", false},
	    {"**/a/**/b", "x/a/a/c/b", true},
	    {"**/a/b", "a/a/b", true},
	    {"**/a/b", "a/b/b", false},
	    {"**a", "xa", true},
	    {"**a", "x/a", false},
	    {"*/*", "a/b", true},
	    {"*/*", "a", false},
	    {"**/**", "a", true},
	    {"**/*.py", "x/y.py", true},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		if (matches(CASES[i].pattern, CASES[i].name) != CASES[i].matches)
			fail_msg("%s of %s", CASES[i].pattern, CASES[i].name);
}

/* Tries every way a star can go. Knows * and **, no sets. */
static bool
slowly(const char *pattern, const char *name, bool at_start)
{
	if (at_start && strncmp(pattern, "**", 2) == 0 &&
	    (pattern[2] == '/' || pattern[2] == '\0')) {
		if (pattern[2] == '\0')
			return true; /* there is a component, since no name ends in / */
		for (const char *at = name;; at++) {
			if (slowly(pattern + 3, at, true))
				return true;
			at = strchr(at, '/');
			if (at == NULL)
				return false;
		}
	}
	if (*pattern == '*')
		return slowly(pattern + 1, name, false) ||
		       (*name != '\0' && *name != '/' && slowly(pattern, name + 1, false));
	if (*pattern == '\0' || *name == '\0')
		return *pattern == *name;
	return *pattern == *name && slowly(pattern + 1, name + 1, *name == '/');
}

/* All texts of a few characters whose components are not empty. */
static bool
next_text(char *text, size_t max, const char *alphabet)
{
	for (size_t i = 0; i < max; i++) {
		const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;

		if (at == NULL || at[1] != '\0') {
			text[i] = at == NULL ? alphabet[0] : at[1];
			return true;
		}
		text[i] = alphabet[0];
	}
	return false;
}

static bool
is_whole(const char *text)
{
	size_t size = strlen(text);

	return size > 0 && text[0] != '/' && text[size - 1] != '/' && strstr(text, "//") == NULL;
}

static void
as_the_slow_one(void **state)
{
	char pattern[8] = "", name[7] = "";
	size_t tried = 0;

	while (next_text(pattern, 7, "*/a")) {
		if (!is_whole(pattern))
			continue;
		memset(name, 0, sizeof(name));
		while (next_text(name, 6, "a/b")) {
			if (!is_whole(name))
				continue;
			tried++;
			if (matches(pattern, name) != slowly(pattern, name, true))
				fail_msg("%s of %s", pattern, name);
		}
	}
	assert_true(tried > 100000);
}

static void
nothing_is_slow(void **state)
{
	char pattern[256] = "", name[256];

	for (int i = 0; i < 120; i++)
		strcat(pattern, "*a");
	memset(name, 'a', 254);
	strcpy(name + 254, "b");
	assert_false(matches(pattern, name)); /* without an end for a matcher that tries all */
	pattern[0] = '\0';
	for (int i = 0; i < 50; i++)
		strcat(pattern, "**/a/");
	strcat(pattern, "b");
	for (int i = 0; i < 254; i++)
		name[i] = i % 2 ? '/' : 'a';
	strcpy(name + 254, "c");
	assert_false(matches(pattern, name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table),
	    cmocka_unit_test(as_the_slow_one),
	    cmocka_unit_test(nothing_is_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
