/*
 * A tenant's terms and names. Makes no system call and keeps nothing. Nothing here can fail: what
 * comes from outside is checked by whoever reads it.
 */
#include "protocol/tenant_terms.h"

#include "protocol/base_assert.h"

#include <stdio.h>
#include <string.h>

static const uint64_t DEFAULTS[TENANT_SETTING_COUNT] = {
#define TENANT_SETTING(name, type, def, min, max, text) def,
#include "protocol/tenant_settings.def"
#undef TENANT_SETTING
};

void
tenant_terms_init(struct tenant_terms *ret_terms, const char *name,
		  const struct limits *limits_default, const struct limits *limits_max)
{
	size_t size = strlen(name);
	require(tenant_name_valid(name, size));
	memset(ret_terms, 0, sizeof(*ret_terms));
	memcpy(ret_terms->name, name, size);
	memcpy(ret_terms->values, DEFAULTS, sizeof(DEFAULTS));
	ret_terms->limits_default = *limits_default;
	ret_terms->limits_max = *limits_max;
}

static bool
tenant_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
tenant_name_valid(const char *name, size_t size)
{
	if (size == 0 || size > TENANT_NAME_MAX || !tenant_name_byte(name[0]))
		return false;
	for (size_t i = 1; i < size; i++) {
		if (!tenant_name_byte(name[i]) && (name[i] == '\0' || !strchr("._-", name[i])))
			return false;
	}
	return true;
}

bool
tenant_name_is_uid(const char *name, size_t size)
{
	return size >= 4 && memcmp(name, "uid-", 4) == 0;
}

void
tenant_name_of_uid(uid_t uid, char ret_name[TENANT_NAME_MAX + 1])
{
	(void)snprintf(ret_name, TENANT_NAME_MAX + 1, "uid-%lu", (unsigned long)uid);
}
