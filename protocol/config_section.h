/*
 * Internal to config: the sections of tenants while a file is read, and written.
 */
#ifndef STINT_PROTOCOL_CONFIG_SECTION_H
#define STINT_PROTOCOL_CONFIG_SECTION_H

#include "protocol/config.h"
#include "protocol/config_parse.h"

#include <stdio.h>

void config_section_key_get(unsigned key, struct config_key *ret_key);
/* A new section, of a line "[...]"; *ret_tenant is borrowed until the next one begins. */
int config_section_begin(struct config *config, const char *line, size_t length, unsigned number,
			 struct config_tenant **ret_tenant, struct error *err);
/* A name and its value in a section, both trimmed. */
int config_section_set(struct config_tenant *tenant, const char *name, size_t name_length,
		       const char *value, size_t value_length, unsigned number, struct error *err);
/* As config_check; *ret_line is where in the file a fault is, or 0. */
int config_check_at(const struct config *config, unsigned *ret_line, struct error *err);
/* The rules that span keys and sections. On error *ret_line is where, or 0. */
int config_section_check(const struct config *config, unsigned *ret_line, struct error *err);
void config_section_free_all(struct config *config);
/* config->tenants is from->tenants: make it a copy of its own. On error it has none. */
int config_section_copy_all(const struct config *from, struct config *config, struct error *err);
/* Write all sections; without one, and with sentences, what one may hold, as a comment. */
void config_section_print_all(const struct config *config, bool sentences, FILE *file);

#endif
