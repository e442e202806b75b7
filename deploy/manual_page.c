/*
 * Writes a manual page from its template: manual_page TEMPLATE VERSION > PAGE
 *
 * A template is roff; a line "@word@" in it stands for a table that is made here from the tables
 * that the programs themselves use, so that a page cannot say anything else than they do.
 * "@VERSION@" is replaced anywhere. Runs at build time only. An unknown word or a line that is too
 * long is an error, and nothing is to be trusted that was written so far.
 */
#define _GNU_SOURCE
#include "client/client_exit.h"
#include "client/client_help.h"
#include "client/client_options.h"
#include "protocol/config.h"
#include "protocol/isolation.h"
#include "protocol/jsonrpc.h"
#include "protocol/limits.h"
#include "protocol/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANUAL_PAGE_LINE_BYTES 1024
#define MANUAL_PAGE_COMMANDS   16

/* Text as roff: no character has a meaning of its own, and a hyphen can be copied. */
static void
manual_page_text(const char *text, size_t length)
{
	bool start = true;

	for (size_t i = 0; i < length; i++) {
		if (start && (text[i] == '.' || text[i] == '\''))
			(void)fputs("\\&", stdout);
		if (text[i] == '\\')
			(void)fputs("\\e", stdout);
		else if (text[i] == '-')
			(void)fputs("\\-", stdout);
		else if (text[i] == '`')
			(void)fputs("\\(ga", stdout);
		else
			(void)putchar(text[i]);
		start = text[i] == '\n';
	}
}

static void
manual_page_item(const char *name, const char *note, const char *text)
{
	(void)fputs(".TP\n.B ", stdout);
	manual_page_text(name, strlen(name));
	(void)putchar('\n');
	if (*note != '\0') {
		(void)putchar('(');
		manual_page_text(note, strlen(note));
		(void)fputs(")\n.br\n", stdout);
	}
	manual_page_text(text, strlen(text));
	(void)putchar('\n');
}

/* No default: a new type has to be named here. */
static const char *
manual_page_type(enum setting_type type)
{
	switch (type) {
	case SETTING_TEXT:
		return "text";
	case SETTING_FLAG:
		return "yes or no";
	case SETTING_COUNT:
		return "number";
	case SETTING_SIZE:
		return "size";
	case SETTING_TIME:
		return "time";
	case SETTING_MODE:
		return "octal mode";
	case SETTING_LEVEL:
	case SETTING_ISOLATION:
		return "level";
	case SETTING_NAMES:
		return "words";
	}
	return "";
}

static void
manual_page_settings(void)
{
	static const struct {
		const char *name, *def, *text;
		enum setting_type type;
		bool live;
	} ROWS[] = {
#define LIVE  true
#define START false
#define SETTING(name, type, when, def, min, max, text) {#name, def, text, SETTING_##type, when},
#include "protocol/settings.def"
#undef SETTING
#undef LIVE
#undef START
	};
	char note[MANUAL_PAGE_LINE_BYTES];

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		(void)snprintf(note, sizeof(note), "%s; default: %s%s",
			       manual_page_type(ROWS[i].type),
			       *ROWS[i].def ? ROWS[i].def : "empty",
			       ROWS[i].live ? "" : "; [restart]");
		manual_page_item(ROWS[i].name, note, ROWS[i].text);
	}
}

/* What a section of a tenant may hold. */
static void
manual_page_tenants(void)
{
	static const struct {
		const char *name, *text;
		uint64_t def;
		enum setting_type type;
	} ROWS[] = {
#define TENANT_SETTING(name, type, def, min, max, text) {#name, text, def, SETTING_##type},
#include "protocol/tenant_settings.def"
#undef TENANT_SETTING
#define TENANT_IDENTITY(name, type, text) {#name, text, 0, SETTING_##type},
#include "protocol/tenant_identity.def"
#undef TENANT_IDENTITY
	};
	char note[MANUAL_PAGE_LINE_BYTES];

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		if (ROWS[i].type == SETTING_NAMES)
			(void)snprintf(note, sizeof(note), "words; default: empty");
		else if (ROWS[i].type == SETTING_FLAG)
			(void)snprintf(note, sizeof(note), "yes or no; default: no");
		else
			(void)snprintf(note, sizeof(note), "%s; default: %" PRIu64,
				       manual_page_type(ROWS[i].type), ROWS[i].def);
		manual_page_item(ROWS[i].name, note, ROWS[i].text);
	}
}

static void
manual_page_limits(void)
{
	char note[128];

	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		(void)snprintf(note, sizeof(note),
			       "%s; default %" PRIu64 ", %" PRIu64 " to %" PRIu64, LIMITS[i].unit,
			       LIMITS[i].def, LIMITS[i].min, LIMITS[i].max);
		manual_page_item(LIMITS[i].name, note, LIMITS[i].text);
	}
}

static void
manual_page_methods(void)
{
#define METHOD(name, handler, prepare, parameters, text) manual_page_item(name, parameters, text);
#include "daemon/methods.def"
#undef METHOD
}

static void
manual_page_statuses(void)
{
#define STATUS(constant, name, verdict, text) manual_page_item(name, verdict, text);
	STATUS_TABLE(STATUS)
#undef STATUS
}

static void
manual_page_reasons(void)
{
	char note[32];

	for (int reason = RPC_REASON_NONE + 1; reason < RPC_REASON_COUNT; reason++) {
		(void)snprintf(note, sizeof(note), ".TP\n.B %d\n",
			       jsonrpc_reason_code((enum rpc_reason)reason));
		(void)fputs(note, stdout);
		(void)puts(jsonrpc_reason_name((enum rpc_reason)reason));
	}
}

static void
manual_page_metrics(void)
{
#define METRIC(id, name, type, unit, labels, help) manual_page_item(name, #type, help);
#define TENANT_METRIC(id, name, type, unit, labels, help) METRIC(id, name, type, unit, labels, help)
#include "daemon/metrics.def"
#undef METRIC
#undef TENANT_METRIC
}

static void
manual_page_isolation(void)
{
#define ISOLATION(name, from, text, remedy) manual_page_item(#name, "", text);
#include "protocol/isolation.def"
#undef ISOLATION
}

/* What each way to end makes of the client's exit status, from the client's own table. */
static void
manual_page_exits(void)
{
	char line[MANUAL_PAGE_LINE_BYTES], number[16];

	for (int code = 1; code < CLIENT_EXIT_SIGNAL; code++) {
		size_t used = 0;

		for (int status = 0; status < STATUS_COUNT; status++) {
			const char *name = status_name((enum job_status)status);

			if (client_exit_code(name, -1, 0) == code)
				used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s",
							 used ? ", " : "", name);
		}
		if (used == 0)
			continue;
		(void)snprintf(number, sizeof(number), "%d", code);
		manual_page_item(number, "", line);
	}
}

/* One line of a help text: "  NAME  what" is an item, deeper lines go on with it, others are text.
 */
static void
manual_page_help_line(const char *line, size_t length)
{
	size_t indent = strspn(line, " "), name;
	const char *gap;

	if (length == 0) {
		(void)puts(".PP");
		return;
	}
	if (indent != 2) {
		if (indent == 0 && strncmp(line, "stint ", 6) == 0)
			(void)puts(".PP");
		manual_page_text(line + indent, length - indent);
		(void)putchar('\n');
		return;
	}
	gap = memmem(line + 2, length - 2, "  ", 2);
	name = gap ? (size_t)(gap - line) - 2 : length - 2;
	if (!gap) { /* a sentence, or a name whose text is on the next line */
		manual_page_text(line + 2, name);
		(void)putchar('\n');
		return;
	}
	(void)fputs(".TP\n.B ", stdout);
	manual_page_text(line + 2, name);
	(void)putchar('\n');
	name += 2 + strspn(gap, " ");
	manual_page_text(line + name, length - name);
	(void)putchar('\n');
}

static char *
manual_page_read_help(const char *command)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	if (client_help(file, command) < 0) {
		(void)fclose(file);
		free(text);
		return NULL;
	}
	(void)fclose(file);
	return text;
}

static int
manual_page_help(const char *command)
{
	char *text = manual_page_read_help(command);

	if (!text)
		return -1;
	(void)printf(".SS stint %s\n", command);
	for (char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		manual_page_help_line(line, length);
		line += length + (line[length] == '\n');
	}
	free(text);
	return 0;
}

/* Every command that the overview names, with its own help. */
static int
manual_page_commands(void)
{
	char *overview = manual_page_read_help(NULL);
	int rc = overview ? 0 : -1;

	for (char *at = overview; rc == 0 && at && (at = strstr(at, "\n  stint ")) != NULL;) {
		char command[MANUAL_PAGE_COMMANDS];
		size_t length;

		at += strlen("\n  stint ");
		length = strspn(at, "abcdefghijklmnopqrstuvwxyz");
		if (length == 0 || length >= sizeof(command) || strncmp(at, "help ", 5) == 0)
			continue;
		(void)snprintf(command, sizeof(command), "%.*s", (int)length, at);
		rc = manual_page_help(command);
	}
	free(overview);
	return rc;
}

static int
manual_page_table(const char *word)
{
	static const struct {
		const char *word;
		void (*write)(void);
	} TABLES[] = {
	    {"settings", manual_page_settings}, {"limits", manual_page_limits},
	    {"tenants", manual_page_tenants},
	    {"methods", manual_page_methods},   {"statuses", manual_page_statuses},
	    {"reasons", manual_page_reasons},   {"isolation", manual_page_isolation},
	    {"exits", manual_page_exits},       {"metrics", manual_page_metrics},
	};

	if (strcmp(word, "commands") == 0)
		return manual_page_commands();
	for (size_t i = 0; i < sizeof(TABLES) / sizeof(TABLES[0]); i++)
		if (strcmp(TABLES[i].word, word) == 0) {
			TABLES[i].write();
			return 0;
		}
	return -1;
}

static int
manual_page_line(char *line, const char *version)
{
	size_t length = strcspn(line, "\n");
	char *mark = strstr(line, "@VERSION@");

	if (line[length] != '\n')
		return -1;
	line[length] = '\0';
	if (mark) {
		(void)printf("%.*s%s%s\n", (int)(mark - line), line, version,
			     mark + strlen("@VERSION@"));
		return 0;
	}
	if (length > 2 && line[0] == '@' && line[length - 1] == '@') {
		line[length - 1] = '\0';
		return manual_page_table(line + 1);
	}
	(void)puts(line);
	return 0;
}

int
main(int argc, char **argv)
{
	char line[MANUAL_PAGE_LINE_BYTES];
	FILE *template = argc == 3 ? fopen(argv[1], "re") : NULL;

	if (!template) {
		(void)fprintf(stderr, "usage: manual_page TEMPLATE VERSION\n");
		return 2;
	}
	while (fgets(line, sizeof(line), template))
		if (manual_page_line(line, argv[2]) < 0) {
			(void)fprintf(stderr, "%s: a line is too long or no table: %s\n", argv[1],
				      line);
			return 1;
		}
	(void)fclose(template);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
