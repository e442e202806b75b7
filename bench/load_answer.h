/*
 * Lines that the daemon sends, read as they come, in constant memory: of a line only the beginning
 * and the end are kept, which is where everything stands that the generator wants to know.
 */
#ifndef STINT_BENCH_LOAD_ANSWER_H
#define STINT_BENCH_LOAD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_ANSWER_KEPT 1024
#define LOAD_WORD_BYTES  32

struct load_lines {
	uint64_t size; /* of the line that has begun */
	size_t head_size, tail_size;
	char head[LOAD_ANSWER_KEPT + 1]; /* its first bytes */
	char tail[LOAD_ANSWER_KEPT + 1]; /* its last bytes; the same in a short line */
};

enum load_answer_kind {
	LOAD_ANSWER_RESULT,
	LOAD_ANSWER_ERROR,
	LOAD_ANSWER_NOTIFICATION, /* only that it is one */
	LOAD_ANSWER_UNREADABLE,
};

struct load_answer {
	enum load_answer_kind kind;
	uint64_t id;                /* 0: null */
	char word[LOAD_WORD_BYTES]; /* status, or reason of the error; "" where there is none */
	uint64_t cpu_us, queue_us;  /* usage; 0 where there is none */
	uint64_t bytes;             /* of the line */
};

/* All zero bytes is a reader before its first byte. */
/*
 * Take bytes up to the end of the line: returns how many, all of them when it has not come. When
 * it has, *ret_whole is true and *ret_answer filled.
 */
size_t load_lines_take(struct load_lines *lines, const char *bytes, size_t size, bool *ret_whole,
		       struct load_answer *ret_answer);

#endif
