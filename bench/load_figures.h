/*
 * What one tenant of a run has seen: counts and times. Filled by load_drive.c, printed by
 * load_report.c.
 *
 * A job is counted when it was due in the window of the run; work done (`window_*`) is what was
 * answered in it.
 */
#ifndef STINT_BENCH_LOAD_FIGURES_H
#define STINT_BENCH_LOAD_FIGURES_H

#include "bench/load_histogram.h"
#include "bench/load_kinds.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_WORDS_MAX 24

/* How often a status or a reason came. What does not fit is counted under "...". */
struct load_words {
	struct load_word {
		char text[32];
		uint64_t count;
	} words[LOAD_WORDS_MAX];
	size_t count;
};

struct load_kind_figures {
	uint64_t sent, results, unexpected;
	struct load_words statuses;
	struct load_histogram latency; /* of results; ns since they were due */
};

struct load_figures {
	uint64_t sent;       /* all, also those of the warm-up */
	uint64_t answered;   /* of these: results and refusals */
	uint64_t results;    /* with a result */
	uint64_t refused;    /* with an error */
	uint64_t missing;    /* without an answer at the end */
	uint64_t left_out;   /* due, but not sent: too many had no answer */
	uint64_t unreadable; /* lines that are no answer to anything */
	uint64_t unexpected; /* results with another status than their kind's */
	uint64_t lost;       /* connections that the daemon closed */
	uint64_t window_results, window_cpu_us, window_bytes; /* answered within the window */
	uint64_t first_ns, last_ns; /* first and last answer within it; 0: none */
	struct load_words statuses, reasons;
	struct load_histogram latency;  /* of results; ns since they were due */
	struct load_histogram refusals; /* the same of refusals */
	struct load_histogram lag;      /* from due to handed to the kernel: the generator's own */
	struct load_histogram queued;   /* usage.queue_us of results, in ns */
	struct load_kind_figures *kinds[LOAD_KINDS_MAX]; /* owned; NULL: not in the mix */
};

/* Room for the kinds whose weight is not 0. ERROR_SYSTEM: no memory. */
int load_figures_init(struct load_figures *ret_figures, const unsigned *weights, struct error *err);
void load_figures_deinit(struct load_figures *figures);
void load_words_count(struct load_words *words, const char *text);
/* 0 when it never came. */
uint64_t load_words_of(const struct load_words *words, const char *text);

#endif
