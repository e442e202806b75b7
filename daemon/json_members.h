/*
 * Writes the members of a JSON object one by one into a text buffer, commas where they belong.
 * Names are our own words: they are not escaped.
 */
#ifndef STINT_DAEMON_JSON_MEMBERS_H
#define STINT_DAEMON_JSON_MEMBERS_H

#include "protocol/text_buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct json_members {
	struct text_buffer *text; /* borrowed */
	bool any;
};

/* Each level: begin, members, end. A level inside another starts with json_members_name. */
struct json_members json_members_begin(struct text_buffer *text);
void json_members_end(struct json_members *members);
/* `,"name":` - the caller writes the value. */
void json_members_name(struct json_members *members, const char *name);
void json_members_u64(struct json_members *members, const char *name, uint64_t value);
void json_members_flag(struct json_members *members, const char *name, bool value);
void json_members_text(struct json_members *members, const char *name, const char *value);

#endif
