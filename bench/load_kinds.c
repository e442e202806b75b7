/*
 * The table of job kinds, and kinds of the user's own from files.
 *
 * Texts are put together once, before anything is sent. It does not look into what the user gives:
 * the daemon says what is wrong with it. Called by load_main.c; failures end the program.
 */
#include "bench/load_kinds.h"

#include "protocol/text_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX    (64u << 20)
#define REQUEST_BYTES_MAX (FILE_BYTES_MAX + 1024u)

const char LOAD_BEFORE_ID[] = "{\"jsonrpc\":\"2.0\",\"id\":";

struct built_in {
	const char *name, *status, *limits, *source;
};

static const struct built_in BUILT_IN[] = {
#define KIND(name, status, limits, source) {#name, status, limits, source},
#include "bench/load_kinds.def"
#undef KIND
};
#define BUILT_IN_COUNT (sizeof(BUILT_IN) / sizeof(BUILT_IN[0]))

_Static_assert(BUILT_IN_COUNT <= LOAD_KINDS_MAX, "room for all kinds");

static int
take_text(struct text_buffer *text, struct load_kind *kind, struct error *err)
{
	text_buffer_put(text, "}\n", 2);
	kind->after_id = text_buffer_steal(text, &kind->after_id_size);
	text_buffer_deinit(text);
	if (kind->after_id == NULL)
		return error_set(err, ERROR_SYSTEM, "no memory for the request of kind '%s'",
				 kind->name);
	return 0;
}

static int
add_built_in(struct load_kinds *kinds, const struct built_in *row, struct error *err)
{
	struct load_kind *kind = &kinds->kinds[kinds->count++];
	struct text_buffer text;

	(void)snprintf(kind->name, sizeof(kind->name), "%s", row->name);
	kind->status = row->status;
	text_buffer_init(&text, REQUEST_BYTES_MAX);
	text_buffer_put_text(&text, ",\"method\":\"job.run\",\"params\":{\"source\":");
	text_buffer_put_text(&text, row->source);
	text_buffer_put_text(&text, ",\"limits\":");
	text_buffer_put_text(&text, row->limits);
	text_buffer_put_text(&text, "}");
	return take_text(&text, kind, err);
}

int
load_kinds_init(struct load_kinds *ret_kinds, struct error *err)
{
	memset(ret_kinds, 0, sizeof(*ret_kinds));
	for (size_t i = 0; i < BUILT_IN_COUNT; i++) {
		int code = add_built_in(ret_kinds, &BUILT_IN[i], err);

		if (code < 0) {
			load_kinds_deinit(ret_kinds);
			return code;
		}
	}
	return 0;
}

void
load_kinds_deinit(struct load_kinds *kinds)
{
	for (size_t i = 0; i < kinds->count; i++)
		free(kinds->kinds[i].after_id);
	kinds->count = 0;
}

/* Append the file's text on one line. */
static int
put_file(struct text_buffer *text, const char *path, struct error *err)
{
	char bytes[65536];
	FILE *file = fopen(path, "re");
	size_t size, total = 0;
	int code = 0;

	if (file == NULL)
		return error_errno(err, "%.150s", path);
	while (code == 0 && (size = fread(bytes, 1, sizeof(bytes), file)) > 0) {
		for (size_t i = 0; i < size; i++)
			if (bytes[i] == '\n' || bytes[i] == '\r')
				bytes[i] = ' ';
		text_buffer_put(text, bytes, size);
		total += size;
		if (total > FILE_BYTES_MAX)
			code = error_set(err, ERROR_LIMIT, "%.150s is larger than %u bytes", path,
					 FILE_BYTES_MAX);
	}
	if (code == 0 && ferror(file))
		code = error_errno(err, "%.150s", path);
	(void)fclose(file);
	return code;
}

int
load_kinds_add(struct load_kinds *kinds, const char *text, struct error *err)
{
	const char *equal = strchr(text, '='), *method = equal ? equal + 1 : "", *colon;
	struct load_kind *kind = &kinds->kinds[kinds->count];
	struct text_buffer buffer;
	int code = 0;

	if (equal == NULL || equal == text || *method == '\0' || *method == ':')
		return error_set(err, ERROR_INVALID, "'%.100s' is not NAME=METHOD[:FILE]", text);
	if (equal - text >= LOAD_KIND_NAME_BYTES)
		return error_set(err, ERROR_INVALID, "a kind's name has at most %d bytes",
				 LOAD_KIND_NAME_BYTES - 1);
	if (kinds->count == LOAD_KINDS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d kinds", LOAD_KINDS_MAX);
	if (load_kinds_find(kinds, text, (size_t)(equal - text)) >= 0)
		return error_set(err, ERROR_INVALID, "the kind '%.*s' is there already",
				 (int)(equal - text), text);
	memset(kind, 0, sizeof(*kind));
	memcpy(kind->name, text, (size_t)(equal - text));
	colon = strchr(method, ':');
	text_buffer_init(&buffer, REQUEST_BYTES_MAX);
	text_buffer_put_text(&buffer, ",\"method\":\"");
	text_buffer_put(&buffer, method, colon ? (size_t)(colon - method) : strlen(method));
	text_buffer_put_text(&buffer, "\"");
	if (colon != NULL) {
		text_buffer_put_text(&buffer, ",\"params\":");
		code = put_file(&buffer, colon + 1, err);
	}
	if (code < 0) {
		text_buffer_deinit(&buffer);
		return code;
	}
	code = take_text(&buffer, kind, err);
	if (code == 0)
		kinds->count++;
	return code;
}

int
load_kinds_find(const struct load_kinds *kinds, const char *name, size_t name_size)
{
	for (size_t i = 0; i < kinds->count; i++)
		if (strlen(kinds->kinds[i].name) == name_size &&
		    memcmp(kinds->kinds[i].name, name, name_size) == 0)
			return (int)i;
	return -1;
}
