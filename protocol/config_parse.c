/*
 * The rows of the configuration and the reading and writing of one value.
 *
 * Knows types and ranges, nothing of files and lines (config.c) nor of rules between settings. A
 * value is taken whole or refused with an error that names the setting and what it may be.
 */
#define _GNU_SOURCE
#include "protocol/config_parse.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/isolation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_QUOTE_BYTES 48

static const struct {
	const char *name;
	enum setting_type type;
	bool live;
	const char *initial;
	uint64_t min, max;
	const char *text;
} SETTINGS[SETTING_ID_COUNT] = {
#define LIVE  true
#define START false
#define SETTING(name_, type_, when_, def_, min_, max_, text_)                                      \
	[SETTING_ID_##name_] = {#name_, SETTING_##type_, when_, def_, min_, max_, text_},
#include "protocol/settings.def"
#undef SETTING
#undef LIVE
#undef START
};

static const char *const LEVELS[] = {"error", "warning", "info", "debug"};

void
config_key_limit(const struct limit_info *info, const char *prefix, struct config_key *ret_key)
{
	(void)snprintf(ret_key->name, sizeof(ret_key->name), "%s%s", prefix, info->name);
	if (strcmp(info->unit, "bytes") == 0)
		ret_key->type = SETTING_SIZE;
	else if (strcmp(info->unit, "ms") == 0)
		ret_key->type = SETTING_TIME;
	else
		ret_key->type = SETTING_COUNT;
	ret_key->live = true;
	ret_key->min = info->min;
	ret_key->max = info->max;
	ret_key->text = info->text;
	ret_key->initial = NULL;
}

void
config_key_get(unsigned key, struct config_key *ret_key)
{
	require(key < CONFIG_KEY_COUNT);
	if (key >= CONFIG_KEY_MAX) {
		config_key_limit(&LIMITS[key - CONFIG_KEY_MAX], "max_", ret_key);
	} else if (key >= CONFIG_KEY_DEFAULT) {
		config_key_limit(&LIMITS[key - CONFIG_KEY_DEFAULT], "default_", ret_key);
	} else {
		(void)snprintf(ret_key->name, sizeof(ret_key->name), "%s", SETTINGS[key].name);
		ret_key->type = SETTINGS[key].type;
		ret_key->live = SETTINGS[key].live;
		ret_key->min = SETTINGS[key].min;
		ret_key->max = SETTINGS[key].max;
		ret_key->text = SETTINGS[key].text;
		ret_key->initial = SETTINGS[key].initial;
	}
}

bool
config_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

void
config_trim(const char **text, size_t *length)
{
	while (*length > 0 && config_blank((*text)[0])) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && config_blank((*text)[*length - 1]))
		(*length)--;
}

int
config_key_find(const char *name, size_t length, unsigned *ret_key)
{
	struct config_key key;

	for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
		config_key_get(i, &key);
		if (strlen(key.name) == length && memcmp(key.name, name, length) == 0) {
			*ret_key = i;
			return 0;
		}
	}
	return ERROR_NOT_FOUND;
}

/* "name: "value" is not ..." */
static int
config_refuse(const struct config_key *key, const char *text, size_t length, const char *rule,
	      struct error *err)
{
	char quoted[CONFIG_QUOTE_BYTES];

	return error_set(err, ERROR_INVALID, "%s: \"%s\" is not %s", key->name,
			 base_log_quote(text, length, quoted, sizeof(quoted)), rule);
}

/* Digits of `base` at the front; *ret_used is how many. ERROR_LIMIT when they do not fit. */
static int
config_parse_digits(const char *text, size_t length, unsigned base, uint64_t *ret_value,
		    size_t *ret_used)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';

		if (digit >= base)
			break;
		if (value > (UINT64_MAX - digit) / base)
			return ERROR_LIMIT;
		value = value * base + digit;
	}
	*ret_value = value;
	*ret_used = i;
	return 0;
}

/* What the unit multiplies by, or 0 when the type has no such unit. */
static uint64_t
config_unit(enum setting_type type, const char *unit, size_t length)
{
	static const struct {
		enum setting_type type;
		const char *unit;
		uint64_t factor;
	} UNITS[] = {
	    {SETTING_SIZE, "K", 1ull << 10}, {SETTING_SIZE, "M", 1ull << 20},
	    {SETTING_SIZE, "G", 1ull << 30}, {SETTING_TIME, "ms", 1},
	    {SETTING_TIME, "s", 1000},       {SETTING_TIME, "min", 60000},
	};

	if (length == 0)
		return 1;
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
		if (UNITS[i].type == type && strlen(UNITS[i].unit) == length &&
		    memcmp(UNITS[i].unit, unit, length) == 0)
			return UNITS[i].factor;
	}
	return 0;
}

static const char *
config_rule(enum setting_type type)
{
	switch (type) {
	case SETTING_SIZE:
		return "a number of bytes (with K, M or G)";
	case SETTING_TIME:
		return "a time (a number with ms, s or min)";
	case SETTING_MODE:
		return "an octal mode";
	case SETTING_FLAG:
		return "yes or no";
	case SETTING_LEVEL:
		return "error, warning, info or debug";
	case SETTING_NAMES:
		return "a list of names separated by blanks";
	case SETTING_ISOLATION:
		return "full, reduced or development";
	default:
		return "a whole number";
	}
}

static int
config_parse_number(const struct config_key *key, const char *text, size_t length,
		    struct setting_value *ret_value, struct error *err)
{
	char low[24], high[24];
	uint64_t value = 0, factor = 1;
	size_t used = 0;
	int r =
	    config_parse_digits(text, length, key->type == SETTING_MODE ? 8 : 10, &value, &used);

	if (r == 0) {
		factor = config_unit(key->type, text + used, length - used);
		if (used == 0 || factor == 0)
			return config_refuse(key, text, length, config_rule(key->type), err);
	}
	if (r < 0 || value > UINT64_MAX / factor || value * factor < key->min ||
	    value * factor > key->max) {
		if (key->type == SETTING_MODE) {
			(void)snprintf(low, sizeof(low), "%04" PRIo64, key->min);
			(void)snprintf(high, sizeof(high), "%04" PRIo64, key->max);
		} else {
			(void)snprintf(low, sizeof(low), "%" PRIu64, key->min);
			(void)snprintf(high, sizeof(high), "%" PRIu64, key->max);
		}
		return error_set(err, ERROR_INVALID, "%s: %.*s is out of range (%s to %s%s)",
				 key->name, (int)(length < 40 ? length : 40), text, low, high,
				 key->type == SETTING_TIME ? " ms" : "");
	}
	ret_value->number = value * factor;
	ret_value->text = NULL;
	return 0;
}

/* Words of a type of words, by number; NULL above the last. */
static const char *
config_word(enum setting_type type, uint64_t index)
{
	static const char *const FLAGS[] = {"no", "yes"};

	if (type == SETTING_FLAG)
		return index < 2 ? FLAGS[index] : NULL;
	if (type == SETTING_LEVEL)
		return index < sizeof(LEVELS) / sizeof(LEVELS[0]) ? LEVELS[index] : NULL;
	return index < ISOLATION_LEVEL_COUNT ? isolation_level_name((enum isolation_level)index)
					     : NULL;
}

static int
config_parse_word(const struct config_key *key, const char *text, size_t length,
		  struct setting_value *ret_value, struct error *err)
{
	const char *word;

	for (unsigned i = 0; (word = config_word(key->type, i)) != NULL; i++) {
		if (strlen(word) == length && memcmp(word, text, length) == 0) {
			ret_value->number = i;
			ret_value->text = NULL;
			return 0;
		}
	}
	return config_refuse(key, text, length, config_rule(key->type), err);
}

static bool
config_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-' || c == ' ' || c == '\t';
}

/* A text that the file could not say, or would not give back as it is: printed, it is read again.
 */
static bool
config_text_char(const char *text, size_t i)
{
	if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
		return text[i] == '\t';
	return text[i] != '#' || (i > 0 && text[i - 1] != ' ' && text[i - 1] != '\t');
}

static int
config_parse_text(const struct config_key *key, const char *text, size_t length,
		  struct setting_value *ret_value, struct error *err)
{
	if (length < key->min)
		return error_set(err, ERROR_INVALID, "%s: has no value", key->name);
	if (length > key->max || length >= CONFIG_TEXT_MAX)
		return error_set(err, ERROR_INVALID, "%s: %zu bytes, at most %" PRIu64, key->name,
				 length, key->max);
	for (size_t i = 0; i < length; i++) {
		if (!config_text_char(text, i))
			return config_refuse(key, text, length,
					     "a text without control characters and without a '#' "
					     "at its start or after a blank (a comment)",
					     err);
		if (key->type == SETTING_NAMES && !config_name_char(text[i]))
			return config_refuse(key, text, length, config_rule(key->type), err);
	}
	ret_value->number = 0;
	ret_value->text = strndup(text, length);
	if (ret_value->text == NULL)
		return error_errno(err, "%s", key->name);
	return 0;
}

int
config_parse_value(const struct config_key *key, const char *text, size_t length,
		   struct setting_value *ret_value, struct error *err)
{
	switch (key->type) {
	case SETTING_TEXT:
	case SETTING_NAMES:
		return config_parse_text(key, text, length, ret_value, err);
	case SETTING_FLAG:
	case SETTING_LEVEL:
	case SETTING_ISOLATION:
		return config_parse_word(key, text, length, ret_value, err);
	default:
		return config_parse_number(key, text, length, ret_value, err);
	}
}

void
config_format_value(const struct config_key *key, const struct setting_value *value,
		    char ret[CONFIG_TEXT_MAX])
{
	switch (key->type) {
	case SETTING_TEXT:
	case SETTING_NAMES:
		(void)snprintf(ret, CONFIG_TEXT_MAX, "%s", value->text);
		break;
	case SETTING_FLAG:
	case SETTING_LEVEL:
	case SETTING_ISOLATION:
		require(config_word(key->type, value->number) != NULL);
		(void)snprintf(ret, CONFIG_TEXT_MAX, "%s", config_word(key->type, value->number));
		break;
	case SETTING_MODE:
		(void)snprintf(ret, CONFIG_TEXT_MAX, "%04" PRIo64, value->number);
		break;
	case SETTING_TIME:
		(void)snprintf(ret, CONFIG_TEXT_MAX, "%" PRIu64 "ms", value->number);
		break;
	default:
		(void)snprintf(ret, CONFIG_TEXT_MAX, "%" PRIu64, value->number);
	}
}
