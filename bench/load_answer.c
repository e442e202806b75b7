/*
 * Reads answers without a JSON parser: the generator shares its cores with what it measures, and an
 * answer can have 100 MB.
 *
 * It knows how stintd writes its lines (protocol/jsonrpc.c, result_json.c): the id first, then
 * `job` and `status`, and `usage` behind everything that a program has printed. A line that looks
 * otherwise is called unreadable, and the generator then fails. Never allocates. Called by
 * load_link.c and its unit test.
 */
#include "bench/load_answer.h"

#include <stdlib.h>
#include <string.h>

static const char BEGIN[] = "{\"jsonrpc\":\"2.0\",\"id\":";
static const char NOTIFICATION[] = "{\"jsonrpc\":\"2.0\",\"method\":";

static void
keep(struct load_lines *lines, const char *bytes, size_t size)
{
	size_t first = LOAD_ANSWER_KEPT - lines->head_size;

	first = size < first ? size : first;
	memcpy(lines->head + lines->head_size, bytes, first);
	lines->head_size += first;
	lines->size += size;
	if (size >= LOAD_ANSWER_KEPT) {
		memcpy(lines->tail, bytes + size - LOAD_ANSWER_KEPT, LOAD_ANSWER_KEPT);
		lines->tail_size = LOAD_ANSWER_KEPT;
		return;
	}
	if (lines->tail_size + size > LOAD_ANSWER_KEPT) {
		size_t gone = lines->tail_size + size - LOAD_ANSWER_KEPT;

		memmove(lines->tail, lines->tail + gone, lines->tail_size - gone);
		lines->tail_size -= gone;
	}
	memcpy(lines->tail + lines->tail_size, bytes, size);
	lines->tail_size += size;
}

static const char *
last_of(const char *text, const char *wanted)
{
	const char *found = NULL;

	for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
		found = at + strlen(wanted);
	return found;
}

/* The text up to the next quote; false when it is too long. */
static bool
copy_word(const char *from, char *ret_word)
{
	size_t size = strcspn(from, "\"");

	if (size >= LOAD_WORD_BYTES)
		return false;
	memcpy(ret_word, from, size);
	ret_word[size] = '\0';
	return true;
}

static uint64_t
number_behind(const char *text, const char *name)
{
	const char *at = text ? strstr(text, name) : NULL;

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void
read_result(const struct load_lines *lines, const char *body, struct load_answer *answer)
{
	static const char STATUS[] = "\"status\":\"";
	const char *status = strstr(body, STATUS), *usage;

	answer->kind = LOAD_ANSWER_RESULT;
	if (status != NULL && !copy_word(status + sizeof(STATUS) - 1, answer->word))
		answer->kind = LOAD_ANSWER_UNREADABLE;
	usage = last_of(lines->tail, "\"usage\":{");
	answer->cpu_us = number_behind(usage, "\"cpu_us\":");
	answer->queue_us = number_behind(usage, "\"queue_us\":");
}

static void
read_error(const struct load_lines *lines, struct load_answer *answer)
{
	const char *reason = last_of(lines->tail, "\"reason\":\"");

	answer->kind = LOAD_ANSWER_ERROR;
	if (reason != NULL && !copy_word(reason, answer->word))
		answer->kind = LOAD_ANSWER_UNREADABLE;
}

static void
read_line(struct load_lines *lines, struct load_answer *ret_answer)
{
	const char *at = lines->head + sizeof(BEGIN) - 1;
	char *end = NULL;

	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->kind = LOAD_ANSWER_UNREADABLE;
	ret_answer->bytes = lines->size;
	lines->head[lines->head_size] = lines->tail[lines->tail_size] = '\0';
	if (strncmp(lines->head, NOTIFICATION, sizeof(NOTIFICATION) - 1) == 0) {
		ret_answer->kind = LOAD_ANSWER_NOTIFICATION;
		return;
	}
	if (strncmp(lines->head, BEGIN, sizeof(BEGIN) - 1) != 0)
		return;
	ret_answer->id = strtoull(at, &end, 10);
	if (end == at && strncmp(at, "null", 4) == 0)
		end += 4;
	if (strncmp(end, ",\"result\":", 10) == 0)
		read_result(lines, end + 10, ret_answer);
	else if (strncmp(end, ",\"error\":", 9) == 0)
		read_error(lines, ret_answer);
}

size_t
load_lines_take(struct load_lines *lines, const char *bytes, size_t size, bool *ret_whole,
		struct load_answer *ret_answer)
{
	const char *end = memchr(bytes, '\n', size);

	*ret_whole = end != NULL;
	keep(lines, bytes, end ? (size_t)(end - bytes) : size);
	if (end == NULL)
		return size;
	read_line(lines, ret_answer);
	lines->size = lines->head_size = lines->tail_size = 0;
	return (size_t)(end - bytes) + 1;
}
