/*
 * Reads a golden table. Strict, since what it skips is not proved: an unknown word, a second line
 * for the same call and caller, a call that some caller has no line for, are errors.
 */
#define _GNU_SOURCE
#include "seccomp_golden.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRNO_MAX  133
#define FOREIGN_NR 0x40000000

static int
read_action(const char *word, uint32_t *ret_action)
{
	if (word && strcmp(word, "allow") == 0) {
		*ret_action = SECCOMP_RET_ALLOW;
		return 0;
	}
	if (word && strcmp(word, "kill") == 0) {
		*ret_action = SECCOMP_RET_KILL_PROCESS;
		return 0;
	}
	for (int error = 1; word && error <= ERRNO_MAX; error++) {
		const char *name = strerrorname_np(error);

		if (name && strcmp(name, word) == 0) {
			*ret_action = SECCOMP_RET_ERRNO | (uint32_t)error;
			return 0;
		}
	}
	return -1;
}

/* "all", or zygote, job, each with any profile of enum golden_who behind + or -; commas join. */
static int
read_who(char *text, uint32_t *ret_who)
{
	char *rest = NULL;

	*ret_who = 0;
	for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		size_t base = strcspn(one, "+-");
		bool all = base == 3 && strncmp(one, "all", 3) == 0;
		bool zygote = base == 6 && strncmp(one, "zygote", 6) == 0;
		unsigned with = 0, without = 0;

		if (!all && !zygote && (base != 3 || strncmp(one, "job", 3) != 0))
			return -1;
		for (const char *at = one + base; *at; at += 1 + strcspn(at + 1, "+-")) {
			size_t length = strcspn(at + 1, "+-");
			unsigned bit = strncmp(at + 1, "asyncio", length) == 0   ? GOLDEN_ASYNCIO
				       : strncmp(at + 1, "threads", length) == 0 ? GOLDEN_THREADS
				       : strncmp(at + 1, "scratch", length) == 0 ? GOLDEN_SCRATCH
				       : strncmp(at + 1, "pinning", length) == 0 ? GOLDEN_PINNING
										 : 0;
			if (bit == 0 || length != 7)
				return -1;
			*(*at == '+' ? &with : &without) |= bit;
		}
		for (unsigned who = 0; who < GOLDEN_WHO_COUNT; who++)
			if ((all || zygote == !!(who & GOLDEN_ZYGOTE)) && (who & with) == with &&
			    !(who & without))
				*ret_who |= 1u << who;
	}
	return *ret_who ? 0 : -1;
}

static int
read_term(const char *word, struct golden_term *term)
{
	char kind[8], end = '\0', *stop;
	const char *value;

	if (!word || sscanf(word, "%7[a-z]%u%c", kind, &term->index, &end) != 3 ||
	    term->index > 5 || (end != '=' && end != '!'))
		return -1;
	term->is_long = strcmp(kind, "long") == 0;
	if (!term->is_long && strcmp(kind, "int") != 0)
		return -1;
	value = strchr(word, '=');
	if (!value++)
		return -1;
	if (strcmp(value, "own") == 0 && end == '=') {
		term->test = GOLDEN_OWN;
		return 0;
	}
	term->test = end == '!' ? GOLDEN_IS_NOT : GOLDEN_IS;
	if (strncmp(value, "bits:", 5) == 0 && end == '=') {
		term->test = GOLDEN_BITS;
		value += 5;
	}
	errno = 0;
	term->value = strtoull(value, &stop, 0);
	if (errno || stop == value || *stop || (!term->is_long && term->value > UINT32_MAX))
		return -1;
	return 0;
}

/* CONDITION or CONDITION else ACTION, or nothing. */
static int
read_conditions(char **rest, struct golden_line *line)
{
	const char *word = strtok_r(NULL, " \n", rest);

	while (word) {
		struct golden_condition *condition = &line->conditions[line->count];

		if (line->count == GOLDEN_CONDITIONS_MAX || condition->count == GOLDEN_TERMS_MAX ||
		    read_term(word, &condition->terms[condition->count++]) < 0)
			return -1;
		word = strtok_r(NULL, " \n", rest);
		if (word && strcmp(word, "and") != 0)
			line->count++;
		if (word && strcmp(word, "else") == 0)
			return read_action(strtok_r(NULL, " \n", rest), &line->otherwise) < 0 ||
				       strtok_r(NULL, " \n", rest)
				   ? -1
				   : 0;
		if (!word || (strcmp(word, "and") != 0 && strcmp(word, "or") != 0))
			return -1;
		word = strtok_r(NULL, " \n", rest);
		if (!word)
			return -1;
	}
	return 0;
}

/* "foreign WHO ACTION" and "skipped WHO ACTION". */
static int
read_special(char **rest, uint32_t *actions)
{
	char *who = strtok_r(NULL, " \n", rest);
	uint32_t set, action;

	if (!who || read_who(who, &set) < 0 ||
	    read_action(strtok_r(NULL, " \n", rest), &action) < 0)
		return -1;
	for (unsigned i = 0; i < GOLDEN_WHO_COUNT; i++)
		if (set & (1u << i))
			actions[i] = action;
	return 0;
}

static int
read_line(char *text, struct golden *golden)
{
	struct golden_line *line = &golden->lines[golden->count];
	char *rest = NULL, *number = strtok_r(text, " \n", &rest), *stop;
	char *call, *who;

	if (number && strcmp(number, "foreign") == 0)
		return read_special(&rest, golden->foreign);
	if (number && strcmp(number, "skipped") == 0)
		return read_special(&rest, golden->skipped);
	call = strtok_r(NULL, " \n", &rest);
	who = strtok_r(NULL, " \n", &rest);
	if (!who || golden->count == GOLDEN_LINES_MAX)
		return -1;
	golden->count++;
	line->number = (int)strtol(number, &stop, 10);
	(void)snprintf(line->call, sizeof(line->call), "%s", call);
	if (*stop || line->number < 0 || line->number >= GOLDEN_NUMBERS ||
	    read_who(who, &line->who) < 0 ||
	    read_action(strtok_r(NULL, " \n", &rest), &line->action) < 0 ||
	    read_conditions(&rest, line) < 0)
		return -1;
	for (unsigned i = 0; i < GOLDEN_WHO_COUNT; i++) {
		if (!(line->who & (1u << i)))
			continue;
		if (golden->of[i][line->number])
			return -1;
		golden->of[i][line->number] = line;
	}
	return 0;
}

static int
check_complete(const struct golden *golden)
{
	for (size_t i = 0; i < golden->count; i++)
		for (unsigned who = 0; who < GOLDEN_WHO_COUNT; who++) {
			const struct golden_line *of = golden->of[who][golden->lines[i].number];

			if (!of || strcmp(of->call, golden->lines[i].call) != 0) {
				fprintf(stderr, "golden: %s: not a line for each caller\n",
					golden->lines[i].call);
				return -1;
			}
		}
	return 0;
}

int
golden_load(const char *name, struct golden *ret_golden)
{
	char path[512], text[512], copy[512];
	unsigned line = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s.txt", SECCOMP_GOLDEN_DIR, name);
	memset(ret_golden, 0, sizeof(*ret_golden));
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		return -1;
	}
	while (fgets(text, sizeof(text), file)) {
		line++;
		memcpy(copy, text, sizeof(copy));
		if (text[0] == '#' || text[0] == '\n')
			continue;
		if (!strchr(text, '\n') || read_line(text, ret_golden) < 0) {
			fprintf(stderr, "%s:%u: not understood: %s", path, line, copy);
			(void)fclose(file);
			return -1;
		}
	}
	(void)fclose(file);
	return check_complete(ret_golden);
}

static bool
holds(const struct golden_term *term, const uint64_t args[6], uint32_t own)
{
	uint64_t value = term->is_long ? args[term->index] : (uint32_t)args[term->index];

	switch (term->test) {
	case GOLDEN_IS:
		return value == term->value;
	case GOLDEN_IS_NOT:
		return value != term->value;
	case GOLDEN_BITS:
		return !(value & ~term->value);
	case GOLDEN_OWN:
		return value == own;
	}
	return false;
}

bool
golden_holds(const struct golden_condition *condition, const uint64_t args[6], uint32_t own)
{
	for (size_t i = 0; i < condition->count; i++)
		if (!holds(&condition->terms[i], args, own))
			return false;
	return true;
}

uint32_t
golden_expect(const struct golden *golden, unsigned who, int number, const uint64_t args[6],
	      uint32_t own)
{
	const struct golden_line *line;

	if (number == -1)
		return golden->skipped[who];
	if ((uint32_t)number >= FOREIGN_NR)
		return golden->foreign[who];
	line = number < GOLDEN_NUMBERS ? golden->of[who][number] : NULL;
	if (!line)
		return SECCOMP_RET_ERRNO | ENOSYS;
	for (size_t i = 0; i < line->count; i++)
		if (golden_holds(&line->conditions[i], args, own))
			return line->action;
	return line->count ? line->otherwise : line->action;
}
