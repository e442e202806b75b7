/*
 * Internal to config: the table of all settings, limits' rows among them, and the reading and
 * writing of one value. A key is a row number: settings.def first, then default_<limit>, then
 * max_<limit>.
 */
#ifndef STINT_PROTOCOL_CONFIG_PARSE_H
#define STINT_PROTOCOL_CONFIG_PARSE_H

#include "protocol/config.h"

#include <stddef.h>

#define CONFIG_KEY_DEFAULT SETTING_ID_COUNT
#define CONFIG_KEY_MAX     (CONFIG_KEY_DEFAULT + LIMIT_COUNT)
#define CONFIG_KEY_COUNT   (CONFIG_KEY_MAX + LIMIT_COUNT)
#define CONFIG_NAME_BYTES  64

struct config_key {
	char name[CONFIG_NAME_BYTES];
	enum setting_type type;
	bool live; /* a reload changes it in a running service */
	uint64_t min, max;
	const char *text;    /* sentence for the manual; static */
	const char *initial; /* default as text; NULL for a limit's rows: see LIMITS */
};

void config_key_get(unsigned key, struct config_key *ret_key);
/* Row of that name; ERROR_NOT_FOUND. */
int config_key_find(const char *name, size_t length, unsigned *ret_key);

/* default_<limit> or max_<limit>, as the prefix says. */
void config_key_limit(const struct limit_info *info, const char *prefix,
		      struct config_key *ret_key);
bool config_blank(char c);
/* Without the blanks at both ends. */
void config_trim(const char **text, size_t *length);

/* Read one value; *ret_value is new (its text owned by the caller). Errors name the setting. */
int config_parse_value(const struct config_key *key, const char *text, size_t length,
		       struct setting_value *ret_value, struct error *err);
/* A value as config_parse_value takes it, into ret, which has room for CONFIG_TEXT_MAX bytes. */
void config_format_value(const struct config_key *key, const struct setting_value *value,
			 char ret[CONFIG_TEXT_MAX]);

#endif
