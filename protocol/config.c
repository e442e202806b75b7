/*
 * The configuration: defaults, files, assignments, rules between settings.
 *
 * A file is read into a copy; the copy replaces the caller's only when the whole file and the rules
 * hold. Called by the spawner, stintd and --check-config at start; never on a hot path. Fails with
 * an error that names file, line and reason. Values are read by config_parse.c.
 */
#define _GNU_SOURCE
#include "protocol/config.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/base_utf8.h"
#include "protocol/config_parse.h"
#include "protocol/config_section.h"
#include "protocol/metrics_address.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_UID_END 4294967295ull /* (uid_t)-1 is not a uid */

static void
config_store(struct config *config, unsigned key, struct setting_value value)
{
	if (key >= CONFIG_KEY_MAX) {
		limits_set(&config->limits_max, (enum limit_id)(key - CONFIG_KEY_MAX),
			   value.number);
	} else if (key >= CONFIG_KEY_DEFAULT) {
		limits_set(&config->limits_default, (enum limit_id)(key - CONFIG_KEY_DEFAULT),
			   value.number);
	} else {
		free(config->values[key].text);
		config->values[key] = value;
	}
}

static struct setting_value
config_load(const struct config *config, unsigned key)
{
	struct setting_value value = {0, NULL};

	if (key >= CONFIG_KEY_MAX)
		value.number =
		    limits_get(&config->limits_max, (enum limit_id)(key - CONFIG_KEY_MAX));
	else if (key >= CONFIG_KEY_DEFAULT)
		value.number =
		    limits_get(&config->limits_default, (enum limit_id)(key - CONFIG_KEY_DEFAULT));
	else
		value = config->values[key];
	return value;
}

void
config_init(struct config *ret_config)
{
	struct config_key key;
	struct setting_value value;
	struct error err = ERROR_INIT;

	memset(ret_config, 0, sizeof(*ret_config));
	limits_defaults(&ret_config->limits_default);
	limits_maxima(&ret_config->limits_max);
	for (unsigned i = 0; i < SETTING_ID_COUNT; i++) {
		config_key_get(i, &key);
		require(config_parse_value(&key, key.initial, strlen(key.initial), &value, &err) ==
			0);
		config_store(ret_config, i, value);
	}
}

void
config_deinit(struct config *config)
{
	if (config == NULL)
		return;
	for (unsigned i = 0; i < SETTING_ID_COUNT; i++) {
		free(config->values[i].text);
		config->values[i].text = NULL;
	}
	config_section_free_all(config);
}

int
config_copy_service(const struct config *from, struct config *ret_config, struct error *err)
{
	*ret_config = *from;
	ret_config->tenants = NULL;
	ret_config->tenant_count = 0;
	for (unsigned i = 0; i < SETTING_ID_COUNT; i++)
		ret_config->values[i].text = NULL;
	for (unsigned i = 0; i < SETTING_ID_COUNT; i++) {
		if (from->values[i].text == NULL)
			continue;
		ret_config->values[i].text = strdup(from->values[i].text);
		if (ret_config->values[i].text == NULL) {
			config_deinit(ret_config);
			return error_errno(err, "configuration");
		}
	}
	return 0;
}

int
config_copy(const struct config *from, struct config *ret_config, struct error *err)
{
	int r = config_copy_service(from, ret_config, err);

	if (r < 0)
		return r;
	r = config_section_copy_all(from, ret_config, err);
	if (r < 0)
		config_deinit(ret_config);
	return r;
}

int
config_check_at(const struct config *config, unsigned *ret_line, struct error *err)
{
	uint64_t uid_base = config_number(config, uid_base);
	uint64_t uid_count = config_number(config, uid_count);
	struct metrics_address metrics;
	int r;

	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		uint64_t def = limits_get(&config->limits_default, (enum limit_id)i);
		uint64_t max = limits_get(&config->limits_max, (enum limit_id)i);

		if (def > max)
			return error_set(err, ERROR_INVALID,
					 "default_%s (%" PRIu64 ") is above max_%s (%" PRIu64 ")",
					 LIMITS[i].name, def, LIMITS[i].name, max);
	}
	if (uid_base + 2 * uid_count > CONFIG_UID_END)
		return error_set(err, ERROR_INVALID,
				 "uid_base + 2 * uid_count (%" PRIu64 ") is above %llu",
				 uid_base + 2 * uid_count, CONFIG_UID_END);
	if (config_number(config, request_bytes_max) > config_number(config, queue_bytes_max))
		return error_set(err, ERROR_INVALID,
				 "request_bytes_max (%" PRIu64
				 ") is above queue_bytes_max (%" PRIu64 ")",
				 config_number(config, request_bytes_max),
				 config_number(config, queue_bytes_max));
	r = metrics_address_parse(config_text(config, metrics_listen), &metrics, err);
	return r < 0 ? r : config_section_check(config, ret_line, err);
}

int
config_check(const struct config *config, struct error *err)
{
	unsigned line;

	return config_check_at(config, &line, err);
}

/* Split "name = value"; both without blanks around them. */
static int
config_split(const char *text, size_t length, const char **ret_name, size_t *ret_name_length,
	     const char **ret_value, size_t *ret_value_length, struct error *err)
{
	const char *equals = memchr(text, '=', length);
	char quoted[64];

	if (equals == NULL)
		return error_set(err, ERROR_INVALID, "\"%s\" has no '=': want name = value",
				 base_log_quote(text, length, quoted, sizeof(quoted)));
	*ret_name = text;
	*ret_name_length = (size_t)(equals - text);
	*ret_value = equals + 1;
	*ret_value_length = length - *ret_name_length - 1;
	config_trim(ret_name, ret_name_length);
	config_trim(ret_value, ret_value_length);
	if (*ret_name_length == 0)
		return error_set(err, ERROR_INVALID, "no name before '='");
	return 0;
}

/* The service's setting of "name = value"; *ret_value is the caller's to store. */
static int
config_parse_assignment(const char *text, size_t length, unsigned *ret_key,
			struct setting_value *ret_value, struct error *err)
{
	const char *name, *value;
	size_t name_length, value_length;
	struct config_key key;
	char quoted[64];
	unsigned found;
	int r = config_split(text, length, &name, &name_length, &value, &value_length, err);

	if (r < 0)
		return r;
	if (config_key_find(name, name_length, &found) < 0)
		return error_set(err, ERROR_INVALID, "unknown setting \"%s\"",
				 base_log_quote(name, name_length, quoted, sizeof(quoted)));
	config_key_get(found, &key);
	r = config_parse_value(&key, value, value_length, ret_value, err);
	if (r == 0)
		*ret_key = found;
	return r;
}

/* Bytes of a line without its comment: a '#' at its start or after a blank. */
static size_t
config_uncomment(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (line[i] == '#' && (i == 0 || config_blank(line[i - 1])))
			return i;
	}
	return length;
}

/* Where the reading of a file is. */
struct config_reader {
	struct config *config;
	struct config_tenant *tenant; /* borrowed: whose section this is; NULL: none has begun */
	unsigned seen[CONFIG_KEY_COUNT]; /* lines of the service's settings */
	unsigned number;		 /* of this line */
};

/* A setting of the service. */
static int
config_read_setting(struct config_reader *reader, const char *line, size_t length,
		    struct error *err)
{
	struct setting_value value;
	struct config_key info;
	unsigned key = 0;
	int r = config_parse_assignment(line, length, &key, &value, err);

	if (r < 0)
		return r;
	if (reader->seen[key] != 0) {
		free(value.text);
		config_key_get(key, &info);
		return error_set(err, ERROR_INVALID, "%s: set before, in line %u", info.name,
				 reader->seen[key]);
	}
	reader->seen[key] = reader->number;
	config_store(reader->config, key, value);
	return 0;
}

static int
config_read_line(struct config_reader *reader, const char *line, size_t length, struct error *err)
{
	const char *name, *value;
	size_t name_length, value_length;
	int r;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 && c != '\t' && (c != '\r' || i + 1 != length)) || c == 0x7f)
			return error_set(err, ERROR_INVALID, "control character \\x%02x", c);
	}
	length = config_uncomment(line, length);
	config_trim(&line, &length);
	if (length == 0)
		return 0;
	if (line[0] == '[')
		return config_section_begin(reader->config, line, length, reader->number,
					    &reader->tenant, err);
	if (reader->tenant == NULL)
		return config_read_setting(reader, line, length, err);
	r = config_split(line, length, &name, &name_length, &value, &value_length, err);
	return r < 0 ? r
		     : config_section_set(reader->tenant, name, name_length, value, value_length,
					  reader->number, err);
}

static int
config_read_lines(struct config *config, const char *text, size_t size, const char *name,
		  struct error *err)
{
	struct config_reader reader = {.config = config, .number = 1};
	unsigned fault = 0;
	size_t valid = base_utf8_prefix(text, size), start = 0;
	int r = 0;

	while (start < size && r == 0) {
		const char *line = text + start;
		const char *end = memchr(line, '\n', size - start);
		size_t length = end != NULL ? (size_t)(end - line) : size - start;

		if (valid < size && valid >= start && valid <= start + length)
			r = error_set(err, ERROR_INVALID, "not UTF-8 at byte %zu of the line",
				      valid - start + 1);
		else
			r = config_read_line(&reader, line, length, err);
		if (r < 0)
			return error_wrap(err, "%s:%u", name, reader.number);
		start += length + 1;
		reader.number++;
	}
	r = config_check_at(config, &fault, err);
	if (r < 0)
		return fault > 0 ? error_wrap(err, "%s:%u", name, fault)
				 : error_wrap(err, "%s", name);
	return 0;
}

int
config_read_text(struct config *config, const char *text, size_t size, const char *name,
		 struct error *err)
{
	struct config copy;
	int r;

	if (size > CONFIG_BYTES_MAX)
		return error_set(err, ERROR_LIMIT, "%s: larger than %u bytes", name,
				 CONFIG_BYTES_MAX);
	r = config_copy(config, &copy, err);
	if (r < 0)
		return r;
	r = config_read_lines(&copy, text, size, name, err);
	if (r < 0) {
		config_deinit(&copy);
		return r;
	}
	config_deinit(config);
	*config = copy;
	return 0;
}

int
config_read_fd(struct config *config, int fd, const char *name, struct error *err)
{
	struct stat status;
	char *text;
	int r;

	if (fstat(fd, &status) < 0)
		return error_errno(err, "%s", name);
	if (!S_ISREG(status.st_mode))
		return error_set(err, ERROR_INVALID, "%s: not a regular file", name);
	if (status.st_size > (off_t)CONFIG_BYTES_MAX)
		return error_set(err, ERROR_LIMIT, "%s: larger than %u bytes", name,
				 CONFIG_BYTES_MAX);
	text = malloc((size_t)status.st_size + 1);
	if (text == NULL)
		return error_errno(err, "%s", name);
	r = base_pread_full(fd, text, (size_t)status.st_size, 0, err);
	if (r < 0)
		(void)error_wrap(err, "%s", name);
	else
		r = config_read_text(config, text, (size_t)status.st_size, name, err);
	free(text);
	return r;
}

int
config_read_file(struct config *config, const char *path, struct error *err)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return error_errno(err, "%s", path);
	return config_read_fd(config, fd, path, err);
}

int
config_set(struct config *config, const char *assignment, struct error *err)
{
	struct setting_value value;
	struct config copy;
	unsigned key = 0;
	size_t length = strlen(assignment);
	int r;

	if (!base_utf8_valid(assignment, length))
		return error_set(err, ERROR_INVALID, "--set: not UTF-8");
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)assignment[i] < 0x20 || assignment[i] == 0x7f)
			return error_set(err, ERROR_INVALID, "--set: control character");
	}
	r = config_parse_assignment(assignment, length, &key, &value, err);
	if (r < 0)
		return error_wrap(err, "--set");
	r = config_copy(config, &copy, err);
	if (r < 0) {
		free(value.text);
		return r;
	}
	config_store(&copy, key, value);
	r = config_check(&copy, err);
	if (r < 0) {
		config_deinit(&copy);
		return error_wrap(err, "--set");
	}
	config_deinit(config);
	*config = copy;
	return 0;
}

static void
config_format_settings(const struct config *config, bool sentences, FILE *file)
{
	char value[CONFIG_TEXT_MAX];
	struct config_key key;
	struct setting_value stored;

	for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
		config_key_get(i, &key);
		stored = config_load(config, i);
		config_format_value(&key, &stored, value);
		if (sentences)
			(void)fprintf(file, "# %s%s%s\n",
				      i >= CONFIG_KEY_MAX ? "largest that a job may ask for: "
				      : i >= CONFIG_KEY_DEFAULT ? "of a job that does not say: "
								: "",
				      key.text, key.live ? "" : " [restart]");
		(void)fprintf(file, "%s = %s\n", key.name, value);
	}
}

char *
config_format(const struct config *config, bool sentences, size_t *ret_size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_size);

	require(file != NULL);
	config_format_settings(config, sentences, file);
	config_section_print_all(config, sentences, file);
	require(!ferror(file) && fclose(file) == 0);
	return text;
}

void
config_print(const struct config *config, int fd)
{
	size_t size;
	char *text = config_format(config, true, &size);

	(void)base_write_full(fd, text, size, NULL);
	free(text);
}
