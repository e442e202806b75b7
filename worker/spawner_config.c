/*
 * Resolves the names in a configuration and writes it into a sealed memfd.
 *
 * Reads the account and group databases of the host, nothing that a client or stintd says. Called
 * by spawner_main.c at the start and for --check-config. Fails with an error for the user.
 */
#define _GNU_SOURCE
#include "worker/spawner_config.h"

#include "protocol/base_sys.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPAWNER_CONFIG_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static int
spawner_config_user(const char *name, uint32_t *ret_number)
{
	const struct passwd *entry = getpwnam(name);

	if (!entry)
		return ERROR_NOT_FOUND;
	*ret_number = entry->pw_uid;
	return 0;
}

static int
spawner_config_group(const char *name, uint32_t *ret_number)
{
	const struct group *entry = getgrnam(name);

	if (!entry)
		return ERROR_NOT_FOUND;
	*ret_number = entry->gr_gid;
	return 0;
}

static int
spawner_config_add_operator(struct config *config, uid_t uid, struct error *err)
{
	char **text = &config->values[SETTING_ID_operators].text, *made;

	if (asprintf(&made, "%s %u", *text, (unsigned)uid) < 0)
		return error_errno(err, "operators");
	free(*text);
	*text = made;
	return 0;
}

static int
spawner_config_write(const struct config *config, int *ret_fd, struct error *err)
{
	autoclose int fd = memfd_create("stint-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char *text;
	size_t size;
	int rc = 0;

	if (fd < 0)
		return error_errno(err, "memory file of the configuration");
	text = config_format(config, false, &size);
	if (size > CONFIG_BYTES_MAX)
		rc = error_set(err, ERROR_LIMIT, "the configuration takes %zu bytes, at most %u",
			       size, CONFIG_BYTES_MAX);
	if (rc == 0)
		rc = base_write_full(fd, text, size, err);
	free(text);
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, SPAWNER_CONFIG_SEALS) < 0)
		rc = error_errno(err, "seal the configuration");
	if (rc < 0)
		return rc;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int
spawner_config_seal(const struct config *config, const char *name, bool rootless, int *ret_fd,
		    struct error *err)
{
	static const struct config_names NAMES = {spawner_config_user, spawner_config_group};
	struct config copy;
	int rc = config_copy(config, &copy, err);

	if (rc < 0)
		return rc;
	if (rootless)
		rc = spawner_config_add_operator(&copy, getuid(), err);
	if (rc == 0)
		rc = config_resolve(&copy, &NAMES, name, err);
	if (rc == 0)
		rc = spawner_config_write(&copy, ret_fd, err);
	config_deinit(&copy);
	return rc;
}
