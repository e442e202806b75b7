/*
 * Object members with their commas; see the header.
 *
 * Failure (no memory, a text that is not UTF-8) is kept in the text buffer, as for every writer
 * there. Called by the method_* files for answers that are small and of our own making.
 */
#include "daemon/json_members.h"

#include <string.h>

struct json_members
json_members_begin(struct text_buffer *text)
{
	text_buffer_put(text, "{", 1);
	return (struct json_members){.text = text};
}

void
json_members_end(struct json_members *members)
{
	text_buffer_put(members->text, "}", 1);
}

void
json_members_name(struct json_members *members, const char *name)
{
	text_buffer_put_text(members->text, members->any ? ",\"" : "\"");
	text_buffer_put_text(members->text, name);
	text_buffer_put(members->text, "\":", 2);
	members->any = true;
}

void
json_members_u64(struct json_members *members, const char *name, uint64_t value)
{
	json_members_name(members, name);
	text_buffer_put_u64(members->text, value);
}

void
json_members_flag(struct json_members *members, const char *name, bool value)
{
	json_members_name(members, name);
	text_buffer_put_text(members->text, value ? "true" : "false");
}

void
json_members_text(struct json_members *members, const char *name, const char *value)
{
	json_members_name(members, name);
	text_buffer_json_string(members->text, value, strlen(value));
}
