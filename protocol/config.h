/*
 * The configuration: built-in defaults, then one file of "name = value" lines ('#' starts a
 * comment, blank lines are free) and behind them sections "[tenant NAME]" with lines of their own,
 * checked as a whole before anything starts. No dependencies: the
 * spawner reads it too. A wrong or unknown key, a repeated key, a value out of range or a file that
 * is not UTF-8 is refused with file, line and reason; nothing is taken from a file with a fault.
 * A comment starts at a '#' that begins the line or follows a blank. A max_<limit> can be lowered,
 * but not raised above the built-in maximum of limits.def.
 */
#ifndef STINT_PROTOCOL_CONFIG_H
#define STINT_PROTOCOL_CONFIG_H

#include "protocol/config_tenant.h"
#include "protocol/error.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_BYTES_MAX (4u << 20)
#define CONFIG_TEXT_MAX	 4097

enum setting_type {
	SETTING_TEXT, SETTING_FLAG, SETTING_COUNT, SETTING_SIZE, SETTING_TIME, SETTING_MODE,
	SETTING_LEVEL, SETTING_NAMES, SETTING_ISOLATION
};

enum setting_id {
#define SETTING(name, type, when, def, min, max, text) SETTING_ID_##name,
#include "protocol/settings.def"
#undef SETTING
	SETTING_ID_COUNT
};

/* A setting's value: text for TEXT and NAMES, number for the rest. */
struct setting_value {
	uint64_t number;
	char *text; /* owned, or NULL */
};

struct config {
	struct setting_value values[SETTING_ID_COUNT];
	struct limits limits_default; /* of a request that does not say */
	struct limits limits_max;     /* a request above is refused */
	struct config_tenant *tenants; /* owned: tenant_count sections, in the file's order */
	size_t tenant_count;
};

/* Built-in defaults; never fails but for memory (then aborts). */
void config_init(struct config *ret_config);
void config_deinit(struct config *config);
/* A copy that owns its texts; on error there is none. */
int config_copy(const struct config *from, struct config *ret_config, struct error *err);
/* The same without the sections of tenants. */
int config_copy_service(const struct config *from, struct config *ret_config, struct error *err);
/* Read `path` over the defaults in config. On error config is as it was. */
int config_read_file(struct config *config, const char *path, struct error *err);
/* The same from an open descriptor, at offset 0; `name` is shown in errors. */
int config_read_fd(struct config *config, int fd, const char *name, struct error *err);
/* The same from memory. */
int config_read_text(struct config *config, const char *text, size_t size, const char *name,
		     struct error *err);
/* One "name=value", as from a command line's --set. */
int config_set(struct config *config, const char *assignment, struct error *err);
/* Rules that span settings: a default above its maximum, ... Called by the readers too. */
int config_check(const struct config *config, struct error *err);
/*
 * May a service that runs with `from` go on with `to`? ERROR_INVALID names the first setting that
 * is another one and is made use of at the start only.
 */
int config_check_reload(const struct config *from, const struct config *to, struct error *err);

#define config_number(config, name) ((config)->values[SETTING_ID_##name].number)
#define config_text(config, name)   ((const char *)(config)->values[SETTING_ID_##name].text)

/*
 * The whole as text that reads back as the same; with sentences, each setting has its own, and
 * tenants that there could be are shown. The text is the caller's to free; never fails but for
 * memory (then aborts).
 */
char *config_format(const struct config *config, bool sentences, size_t *ret_size);
/* For --print-config and the sample file: write it with sentences. */
void config_print(const struct config *config, int fd);

#endif
