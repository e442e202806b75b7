/*
 * Sections of tenants in the configuration: their heads, keys and values, and how they are written.
 *
 * Knows nothing of files; a section's rules with others are config_rules.c's. Called by config.c
 * line by line. A fault is an error that names the tenant and the key; the caller adds the place.
 */
#define _GNU_SOURCE
#include "protocol/config_section.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_QUOTE_BYTES 48
#define SECTION_KIND        "tenant"
#define SECTION_DIGEST_HEX  64
#define SECTION_WORDS_MAX   4096 /* bytes of a key's words */
#define SECTION_FIRST       16   /* sections that there is room for at first */

static const struct {
	const char *name;
	enum setting_type type;
	uint64_t initial, min, max;
	const char *text;
} SETTINGS[TENANT_KEY_DEFAULT] = {
#define TENANT_SETTING(name_, type_, def_, min_, max_, text_)                                      \
	[TENANT_SETTING_##name_] = {#name_, SETTING_##type_, def_, min_, max_, text_},
#include "protocol/tenant_settings.def"
#undef TENANT_SETTING
#define TENANT_IDENTITY(name_, type_, text_)                                                       \
	[TENANT_KEY_IDENTITY + TENANT_IDENTITY_##                                                  \
	    name_] = {#name_, SETTING_##type_, 0, 0, SECTION_WORDS_MAX, text_},
#include "protocol/tenant_identity.def"
#undef TENANT_IDENTITY
};

void
config_section_key_get(unsigned key, struct config_key *ret_key)
{
	require(key < TENANT_KEY_COUNT);
	if (key >= TENANT_KEY_MAX) {
		config_key_limit(&LIMITS[key - TENANT_KEY_MAX], "max_", ret_key);
	} else if (key >= TENANT_KEY_DEFAULT) {
		config_key_limit(&LIMITS[key - TENANT_KEY_DEFAULT], "default_", ret_key);
	} else {
		(void)snprintf(ret_key->name, sizeof(ret_key->name), "%s", SETTINGS[key].name);
		ret_key->type = SETTINGS[key].type;
		ret_key->min = SETTINGS[key].min;
		ret_key->max = SETTINGS[key].max;
		ret_key->text = SETTINGS[key].text;
		ret_key->initial = NULL;
	}
}

/* "[tenant NAME]": NAME. */
static int
section_head(const char *line, size_t length, const char **ret_name, size_t *ret_length,
	     struct error *err)
{
	static const size_t KIND = sizeof(SECTION_KIND) - 1;
	char quoted[SECTION_QUOTE_BYTES];
	const char *at = line + 1, *end = line + length - 1;

	while (at < end && config_blank(*at))
		at++;
	if (length < 2 || *end != ']' || (size_t)(end - at) <= KIND ||
	    memcmp(at, SECTION_KIND, KIND) != 0 || !config_blank(at[KIND]))
		return error_set(err, ERROR_INVALID, "\"%s\" is no section: want [tenant NAME]",
				 base_log_quote(line, length, quoted, sizeof(quoted)));
	*ret_name = at + KIND;
	*ret_length = (size_t)(end - at) - KIND;
	config_trim(ret_name, ret_length);
	return 0;
}

static int
section_name(const char *name, size_t length, struct error *err)
{
	char quoted[SECTION_QUOTE_BYTES];

	if (!tenant_name_valid(name, length))
		return error_set(err, ERROR_INVALID,
				 "\"%s\" is not a tenant's name: 1 to %d of a-z 0-9 . _ -, a "
				 "letter or digit first",
				 base_log_quote(name, length, quoted, sizeof(quoted)),
				 TENANT_NAME_MAX);
	if (tenant_name_is_uid(name, length))
		return error_set(err, ERROR_INVALID,
				 "tenant %.*s: names that begin with uid- are those of users that "
				 "no section names (remedy: another name, with a line users = ...)",
				 (int)length, name);
	return 0;
}

/* Room for one more. */
static int
section_grow(struct config *config, struct error *err)
{
	size_t room = SECTION_FIRST;

	if (config->tenant_count >= CONFIG_TENANTS_MAX)
		return error_set(err, ERROR_INVALID, "more than %u tenants", CONFIG_TENANTS_MAX);
	/* Full at every power of two. */
	if (config->tenant_count > 0 && (config->tenant_count < SECTION_FIRST ||
					 (config->tenant_count & (config->tenant_count - 1)) != 0))
		return 0;
	if (config->tenant_count > 0)
		room = 2 * config->tenant_count;
	struct config_tenant *tenants = reallocarray(config->tenants, room, sizeof(*tenants));
	if (tenants == NULL)
		return error_errno(err, "a tenant's section");
	config->tenants = tenants;
	return 0;
}

int
config_section_begin(struct config *config, const char *line, size_t length, unsigned number,
		     struct config_tenant **ret_tenant, struct error *err)
{
	const char *name;
	size_t name_length;
	int r = section_head(line, length, &name, &name_length, err);

	if (r == 0)
		r = section_name(name, name_length, err);
	if (r == 0)
		r = section_grow(config, err);
	if (r < 0)
		return r;
	struct config_tenant *tenant = &config->tenants[config->tenant_count++];
	memset(tenant, 0, sizeof(*tenant));
	memcpy(tenant->name, name, name_length);
	tenant->line = number;
	for (unsigned i = 0; i < TENANT_SETTING_COUNT; i++)
		tenant->values[i] = SETTINGS[i].initial;
	*ret_tenant = tenant;
	return 0;
}

static int
section_key_find(const char *name, size_t length, unsigned *ret_key)
{
	struct config_key key;

	for (unsigned i = 0; i < TENANT_KEY_COUNT; i++) {
		config_section_key_get(i, &key);
		if (strlen(key.name) == length && memcmp(key.name, name, length) == 0) {
			*ret_key = i;
			return 0;
		}
	}
	return ERROR_NOT_FOUND;
}

/* What words of a kind may be, beyond being words. */
static int
section_check_words(unsigned identity, const char *text, struct error *err)
{
	char quoted[SECTION_QUOTE_BYTES];
	const char *at = text, *word;
	uint32_t number;
	size_t length;

	while (config_word_next(&at, &word, &length)) {
		if (identity == TENANT_IDENTITY_token_sha256) {
			if (length != SECTION_DIGEST_HEX ||
			    strspn(word, "0123456789abcdefABCDEF") < length)
				return error_set(err, ERROR_INVALID,
						 "token_sha256: a word of %zu characters is not a "
						 "digest: want %d hex digits (stint token makes "
						 "one)",
						 length, SECTION_DIGEST_HEX);
		} else if (config_word_number(word, length, &number) == ERROR_INVALID) {
			return error_set(err, ERROR_INVALID, "%s: \"%s\" is not an id",
					 SETTINGS[TENANT_KEY_IDENTITY + identity].name,
					 base_log_quote(word, length, quoted, sizeof(quoted)));
		}
	}
	return 0;
}

static int
section_store(struct config_tenant *tenant, unsigned key, struct setting_value value,
	      struct error *err)
{
	if (key >= TENANT_KEY_MAX) {
		limits_set(&tenant->limits_max, (enum limit_id)(key - TENANT_KEY_MAX),
			   value.number);
	} else if (key >= TENANT_KEY_DEFAULT) {
		limits_set(&tenant->limits_default, (enum limit_id)(key - TENANT_KEY_DEFAULT),
			   value.number);
	} else if (value.text != NULL) {
		unsigned identity = key - TENANT_KEY_IDENTITY;

		tenant->words[identity] = value.text;
		return section_check_words(identity, value.text, err);
	} else if (key == TENANT_KEY_IDENTITY + TENANT_IDENTITY_gateway) {
		tenant->gateway = value.number != 0;
	} else {
		tenant->values[key] = value.number;
	}
	return 0;
}

int
config_section_set(struct config_tenant *tenant, const char *name, size_t name_length,
		   const char *value, size_t value_length, unsigned number, struct error *err)
{
	char quoted[SECTION_QUOTE_BYTES];
	struct setting_value parsed;
	struct config_key info;
	unsigned key;
	int r;

	if (section_key_find(name, name_length, &key) < 0)
		return error_set(err, ERROR_INVALID,
				 "tenant %s: unknown setting \"%s\" (the service's own come "
				 "before the first section)",
				 tenant->name,
				 base_log_quote(name, name_length, quoted, sizeof(quoted)));
	config_section_key_get(key, &info);
	if (tenant->lines[key] != 0)
		return error_set(err, ERROR_INVALID, "tenant %s: %s: set before, in line %u",
				 tenant->name, info.name, tenant->lines[key]);
	if (key >= TENANT_KEY_IDENTITY && key < TENANT_KEY_DEFAULT &&
	    strcmp(tenant->name, CONFIG_TENANT_OTHER) == 0)
		return error_set(err, ERROR_INVALID,
				 "tenant %s: takes no %s: it is for the users that no other "
				 "section names",
				 tenant->name, info.name);
	r = config_parse_value(&info, value, value_length, &parsed, err);
	if (r == 0)
		r = section_store(tenant, key, parsed, err);
	if (r < 0)
		return error_wrap(err, "tenant %s", tenant->name);
	tenant->lines[key] = number;
	return 0;
}

static struct setting_value
section_load(const struct config_tenant *tenant, unsigned key)
{
	struct setting_value value = {0, NULL};

	if (key >= TENANT_KEY_MAX)
		value.number =
		    limits_get(&tenant->limits_max, (enum limit_id)(key - TENANT_KEY_MAX));
	else if (key >= TENANT_KEY_DEFAULT)
		value.number =
		    limits_get(&tenant->limits_default, (enum limit_id)(key - TENANT_KEY_DEFAULT));
	else if (key == TENANT_KEY_IDENTITY + TENANT_IDENTITY_gateway)
		value.number = tenant->gateway;
	else if (key >= TENANT_KEY_IDENTITY)
		value.text = tenant->words[key - TENANT_KEY_IDENTITY];
	else
		value.number = tenant->values[key];
	return value;
}

void
config_section_free_all(struct config *config)
{
	for (size_t i = 0; i < config->tenant_count; i++) {
		for (unsigned k = 0; k < TENANT_IDENTITY_COUNT; k++)
			free(config->tenants[i].words[k]);
	}
	free(config->tenants);
	config->tenants = NULL;
	config->tenant_count = 0;
}

int
config_section_copy_all(const struct config *from, struct config *config, struct error *err)
{
	size_t count = from->tenant_count, room = SECTION_FIRST;

	config->tenants = NULL;
	config->tenant_count = 0;
	if (count == 0)
		return 0;
	while (room < count)
		room *= 2;
	config->tenants = reallocarray(NULL, room, sizeof(*config->tenants));
	if (config->tenants == NULL)
		return error_errno(err, "tenants' sections");
	for (size_t i = 0; i < count; i++) {
		struct config_tenant *tenant = &config->tenants[config->tenant_count++];

		*tenant = from->tenants[i];
		memset(tenant->words, 0, sizeof(tenant->words));
		for (unsigned k = 0; k < TENANT_IDENTITY_COUNT; k++) {
			if (from->tenants[i].words[k] == NULL)
				continue;
			tenant->words[k] = strdup(from->tenants[i].words[k]);
			if (tenant->words[k] == NULL) {
				int r = error_errno(err, "a tenant's section");

				config_section_free_all(config);
				return r;
			}
		}
	}
	return 0;
}

/* What a section may hold, each with what it is when it is not set. */
static void
section_print_example(const struct config *config, FILE *file)
{
	struct config_key key;

	(void)fprintf(file, "\n# A tenant: one section each, behind all of the above.\n"
			    "# [tenant NAME]\n");
	for (unsigned i = 0; i < TENANT_KEY_DEFAULT; i++) {
		config_section_key_get(i, &key);
		(void)fprintf(file, "# %s\n# %s = ", key.text, key.name);
		if (i < TENANT_KEY_IDENTITY)
			(void)fprintf(file, "%" PRIu64 "%s\n", SETTINGS[i].initial,
				      key.type == SETTING_TIME ? "ms" : "");
		else
			(void)fprintf(file, "%s\n", key.type == SETTING_FLAG ? "no" : "");
	}
	(void)fprintf(file,
		      "# and default_<limit> and max_<limit>, each as the service's above, as in\n"
		      "# default_cpu_ms = %" PRIu64 "ms\n",
		      limits_get(&config->limits_default, LIMIT_cpu_ms));
}

void
config_section_print_all(const struct config *config, bool sentences, FILE *file)
{
	char value[CONFIG_TEXT_MAX];
	struct config_key key;

	if (config->tenant_count == 0 && sentences)
		section_print_example(config, file);
	for (size_t i = 0; i < config->tenant_count; i++) {
		const struct config_tenant *tenant = &config->tenants[i];

		(void)fprintf(file, "\n[tenant %s]\n", tenant->name);
		for (unsigned k = 0; k < TENANT_KEY_COUNT; k++) {
			if (tenant->lines[k] == 0)
				continue;
			config_section_key_get(k, &key);
			struct setting_value stored = section_load(tenant, k);
			config_format_value(&key, &stored, value);
			(void)fprintf(file, "%s = %s\n", key.name, value);
		}
	}
}
