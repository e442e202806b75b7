/*
 * Counters of a run.
 *
 * Holds the memory of the histograms, and counts words. Never looks at a clock or a socket. Fails
 * only for want of memory, before the run.
 */
#include "bench/load_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
load_figures_init(struct load_figures *ret_figures, const unsigned *weights, struct error *err)
{
	memset(ret_figures, 0, sizeof(*ret_figures));
	for (size_t i = 0; i < LOAD_KINDS_MAX; i++) {
		if (weights[i] == 0)
			continue;
		ret_figures->kinds[i] = calloc(1, sizeof(*ret_figures->kinds[i]));
		if (ret_figures->kinds[i] == NULL) {
			load_figures_deinit(ret_figures);
			return error_errno(err, "figures");
		}
	}
	return 0;
}

void
load_figures_deinit(struct load_figures *figures)
{
	for (size_t i = 0; i < LOAD_KINDS_MAX; i++) {
		free(figures->kinds[i]);
		figures->kinds[i] = NULL;
	}
}

void
load_words_count(struct load_words *words, const char *text)
{
	struct load_word *word = words->words;

	for (size_t i = 0; i < words->count; i++, word++) {
		if (strcmp(word->text, text) == 0 || i == LOAD_WORDS_MAX - 1) {
			word->count++;
			return;
		}
	}
	if (words->count == LOAD_WORDS_MAX - 1)
		text = "...";
	(void)snprintf(word->text, sizeof(word->text), "%s", text);
	word->count = 1;
	words->count++;
}

uint64_t
load_words_of(const struct load_words *words, const char *text)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->words[i].text, text) == 0)
			return words->words[i].count;
	return 0;
}
