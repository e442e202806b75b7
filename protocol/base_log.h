/*
 * One-line log records on standard error: "time level group: text". Bytes that a tenant can shape
 * are passed through base_log_quote first. Library code does not log; the stage that gives up does,
 * once. Lines that a tenant can provoke go through log_limited().
 */
#ifndef STINT_PROTOCOL_BASE_LOG_H
#define STINT_PROTOCOL_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `program` (borrowed, static) prefixes each line. Level names: error warning info debug. */
void base_log_init(const char *program, enum log_level level);
/* From now on, for all threads. */
void base_log_set_level(enum log_level level);
int base_log_level_parse(const char *name, enum log_level *ret_level);
void base_log(enum log_level level, const char *group, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As base_log, but at most `per_minute` lines a minute for this call site; says what it dropped. */
#define log_limited(level, group, per_minute, ...) \
	do { \
		static struct log_brake brake_; \
		if (base_log_allowed(&brake_, (per_minute))) \
			base_log((level), (group), __VA_ARGS__); \
	} while (0)
struct log_brake {
	long long window_s;
	unsigned count, dropped;
};
int base_log_allowed(struct log_brake *brake, unsigned per_minute);
/* Escape bytes (controls, quotes, non-ASCII as \xNN) into ret, at most size-1 chars; returns it. */
char *base_log_quote(const void *bytes, size_t length, char *ret, size_t size);

#define log_error(group, ...)	base_log(LOG_LEVEL_ERROR, group, __VA_ARGS__)
#define log_warning(group, ...) base_log(LOG_LEVEL_WARNING, group, __VA_ARGS__)
#define log_info(group, ...)	base_log(LOG_LEVEL_INFO, group, __VA_ARGS__)
#define log_debug(group, ...)	base_log(LOG_LEVEL_DEBUG, group, __VA_ARGS__)

#endif
