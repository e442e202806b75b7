/*
 * A configuration file. What is accepted can be printed, and reading the print gives the same
 * configuration again; what is refused leaves everything as it was, with a reason.
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
