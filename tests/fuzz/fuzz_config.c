/*
 * A configuration file. What is accepted can be printed, and reading the print gives the same
 * configuration again; with numbers in the place of names too, which nobody shares with another
 * tenant. What is refused leaves everything as it was, with a reason.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include "protocol/config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool
same(const struct config *a, const struct config *b)
{
	for (int i = 0; i < SETTING_ID_COUNT; i++) {
		const char *x = a->values[i].text, *y = b->values[i].text;

		if (a->values[i].number != b->values[i].number || !x != !y ||
		    (x && strcmp(x, y) != 0))
			return false;
	}
	if (a->tenant_count != b->tenant_count)
		return false;
	for (size_t i = 0; i < a->tenant_count; i++) {
		struct tenant_terms x, y;

		config_tenant_terms(a, &a->tenants[i], &x);
		config_tenant_terms(b, &b->tenants[i], &y);
		if (memcmp(&x, &y, sizeof(x)) != 0 ||
		    a->tenants[i].gateway != b->tenants[i].gateway)
			return false;
		for (int k = 0; k < TENANT_IDENTITY_COUNT; k++) {
			const char *s = a->tenants[i].words[k], *t = b->tenants[i].words[k];

			if (!s != !t || (s && strcmp(s, t) != 0))
				return false;
		}
	}
	return memcmp(&a->limits_default, &b->limits_default, sizeof(a->limits_default)) == 0 &&
	       memcmp(&a->limits_max, &b->limits_max, sizeof(a->limits_max)) == 0;
}

static void
check_print(const struct config *config)
{
	int fd = memfd_create("print", MFD_CLOEXEC);
	struct error err = ERROR_INIT;
	struct config again;

	FUZZ_HOLDS(fd >= 0);
	config_print(config, fd);
	FUZZ_HOLDS(lseek(fd, 0, SEEK_SET) == 0);
	config_init(&again);
	FUZZ_HOLDS(config_read_fd(&again, fd, "print", &err) == 0);
	FUZZ_HOLDS(same(config, &again));
	config_deinit(&again);
	(void)close(fd);
}

/* Accounts of three numbers: many names are one. */
static int
look_up(const char *name, uint32_t *ret_number)
{
	if (name[0] == 'x')
		return ERROR_NOT_FOUND;
	*ret_number = (uint32_t)strlen(name) % 3;
	return 0;
}

static void
check_resolve(const struct config *config)
{
	static const struct config_names NAMES = {look_up, look_up};
	struct error err = ERROR_INIT;
	struct config copy;

	FUZZ_HOLDS(config_copy(config, &copy, &err) == 0);
	FUZZ_HOLDS(same(config, &copy));
	if (config_resolve(&copy, &NAMES, "fuzz.conf", &err) == 0) {
		check_print(&copy);
		for (size_t i = 0; i < copy.tenant_count; i++) {
			const char *at = copy.tenants[i].words[TENANT_IDENTITY_users], *word;
			uint32_t number;
			size_t length;

			while (config_word_next(&at, &word, &length))
				FUZZ_HOLDS(config_word_number(word, length, &number) == 0);
		}
	} else {
		FUZZ_HOLDS(err.text[0] != '\0');
	}
	config_deinit(&copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config, initial;
	struct error err = ERROR_INIT;
	char *text = malloc(size + 1);
	int rc;

	FUZZ_HOLDS(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	config_init(&config);
	config_init(&initial);
	rc = config_read_text(&config, text, size, "fuzz.conf", &err);
	if (rc == 0) {
		check_print(&config);
		check_resolve(&config);
	} else {
		FUZZ_HOLDS(err.text[0] != '\0');
		FUZZ_HOLDS(same(&config, &initial));
	}
	if (size < 256 && strlen(text) == size && config_set(&initial, text, &err) < 0)
		FUZZ_HOLDS(err.text[0] != '\0');
	config_deinit(&config);
	config_deinit(&initial);
	free(text);
	return 0;
}
