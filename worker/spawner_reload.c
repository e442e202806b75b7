/*
 * What SIGHUP does. The new configuration is read, checked and sealed beside the old one, and takes
 * its place only when stintd has been given it, or is not there to be given it.
 *
 * Follows no path but that of the configuration file, and reads no byte of stintd. Called by the
 * main loop. A failure is logged here, since nobody waits for it.
 */
#define _GNU_SOURCE
#include "worker/spawner_reload.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/message.h"
#include "worker/spawner_config.h"

#include <sys/socket.h>

/* The whole of it, checked: on success both are the caller's. */
static int
spawner_reload_read(const struct spawner *spawner, const struct spawner_options *options,
		    struct config *ret_config, int *ret_fd, struct error *err)
{
	const char *name = spawner_options_config_name(options);
	int rc;

	config_init(ret_config);
	rc = spawner_options_config(options, ret_config, err);
	if (rc == 0) {
		rc = config_check_reload(&spawner->config, ret_config, err);
		if (rc < 0)
			(void)error_wrap(err, "%s", name);
	}
	if (rc == 0)
		rc = spawner_config_seal(ret_config, name, spawner->rootless, ret_fd, err);
	if (rc < 0)
		config_deinit(ret_config);
	return rc;
}

/*
 * A stintd that is on its way out cannot be told, and need not be: the next one starts with the new
 * configuration. One that does not read its link would go on with the old one: then nothing may
 * change.
 */
static int
spawner_reload_send(const struct spawner *spawner, int fd, struct error *err)
{
	struct message message;
	int rc;

	if (spawner->daemon.link_fd < 0)
		return 0;
	message_init(&message, MESSAGE_CONFIG);
	rc = base_send_fds(spawner->daemon.link_fd, &message, sizeof(message), &fd, 1, MSG_DONTWAIT,
			   err);
	if (rc == ERROR_BUSY)
		return error_set(err, rc, "stintd does not read its link now (remedy: try again)");
	return rc == ERROR_CLOSED ? 0 : rc;
}

void
spawner_reload(struct spawner *spawner, const struct spawner_options *options)
{
	struct config config;
	struct error err = ERROR_INIT;
	int fd = -1, rc;

	if (spawner->stopping) {
		log_info("spawner", "the service is stopping: the configuration is not read again");
		return;
	}
	rc = spawner_reload_read(spawner, options, &config, &fd, &err);
	if (rc == 0) {
		rc = spawner_reload_send(spawner, fd, &err);
		if (rc < 0) {
			base_close(&fd);
			config_deinit(&config);
		}
	}
	if (rc < 0) {
		log_error("spawner", "configuration not taken, nothing changes: %s", err.text);
		return;
	}
	config_deinit(&spawner->config);
	spawner->config = config;
	base_close(&spawner->config_fd);
	spawner->config_fd = fd;
	log_info("spawner", "configuration read again");
	base_log_set_level((enum log_level)config_number(&spawner->config, log_level));
}
