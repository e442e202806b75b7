/*
 * Gathers what `stint doctor` knows and shows it, as a table or as JSON: the checks of the machine,
 * and what the daemon says of itself and of its layers, when there is one.
 *
 * The level that decides what is needed is --isolation's, else the daemon's, else full. Needs no
 * daemon and no right, and changes nothing. Called by client_main.c. Fails for a wrong level and
 * when nothing can be written.
 */
#define _GNU_SOURCE
#include "client/client_doctor.h"
#include "client/client_connect.h"
#include "client/client_doctor_check.h"
#include "client/client_json.h"
#include "client/client_status.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/isolation.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct doctor {
	enum isolation_level level;
	bool answered; /* by a daemon */
	char version[64];
	char daemon_level[32];
	bool rootless;
	uint64_t layers; /* of the daemon's workers; 0 before its first generation */
	unsigned counts[CLIENT_DOCTOR_STATE_COUNT];
	json_t *rows; /* owned, or NULL for a table */
};

static int
doctor_level(const char *name, enum isolation_level *ret_level)
{
	for (unsigned i = 0; i < ISOLATION_LEVEL_COUNT; i++) {
		if (strcmp(isolation_level_name((enum isolation_level)i), name) != 0)
			continue;
		*ret_level = (enum isolation_level)i;
		return 0;
	}
	return ERROR_INVALID;
}

static void
doctor_take(struct doctor *doctor, json_t *info)
{
	const char *version = json_string_value(json_object_get(info, "version"));
	const char *level = json_string_value(json_object_get(info, "isolation_level"));
	json_t *layers = json_object_get(info, "isolation"), *item;
	size_t index;

	doctor->rootless = json_is_true(json_object_get(info, "rootless"));
	doctor->answered = true;
	version = version ? version : "?";
	level = level ? level : "?";
	/* Whoever answers there may say what he likes to a terminal. */
	(void)base_log_quote(version, strlen(version), doctor->version, sizeof(doctor->version));
	(void)base_log_quote(level, strlen(level), doctor->daemon_level,
			     sizeof(doctor->daemon_level));
	json_array_foreach(layers, index, item)
	{
		const char *name = json_string_value(item);

		for (unsigned i = 0; name != NULL && i < ISOLATION_LAYER_COUNT; i++)
			if (strcmp(ISOLATION_LAYERS[i].name, name) == 0)
				doctor->layers |= UINT64_C(1) << i;
	}
}

/* No daemon, or one that does not answer, leaves `answered` false. */
static void
doctor_ask(struct doctor *doctor, const char *socket)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	struct error ignored = ERROR_INIT;
	struct client_json result;
	json_t *info = NULL;

	if (client_connect(socket, &connection, &ignored) == 0 &&
	    client_status_ask(&connection, "daemon.info", NULL, NULL, &result, &ignored) == 0)
		info = json_loadb(result.at, result.size, 0, NULL);
	if (info != NULL)
		doctor_take(doctor, info);
	json_decref(info);
	client_connect_close(&connection);
}

static void
doctor_heading(const struct doctor *doctor, const char *title)
{
	if (doctor->rows == NULL)
		(void)printf("%s\n", title);
}

static void
doctor_show(struct doctor *doctor, const char *section, const char *name, bool needed,
	    const struct client_doctor_finding *finding, const char *sentence, const char *remedy)
{
	static const char *const MARKS[CLIENT_DOCTOR_STATE_COUNT] = {"ok", "MISSING", "risk", "?"};

	doctor->counts[finding->state]++;
	if (doctor->rows != NULL) {
		(void)json_array_append_new(
		    doctor->rows,
		    json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s}", "section", section, "name",
			      name, "state", client_doctor_state_name(finding->state), "needed",
			      needed, "found", finding->found, "for", sentence, "remedy", remedy));
		return;
	}
	(void)printf("  %-8s %-26s %-26.26s %s\n", MARKS[finding->state], name, finding->found,
		     sentence);
	if (finding->state == CLIENT_DOCTOR_MISSING || finding->state == CLIENT_DOCTOR_RISK)
		(void)printf("  %-8s remedy: %s\n", "", remedy);
}

static void
doctor_machine(struct doctor *doctor, const struct client_doctor_host *host,
	       enum client_doctor_section section, const char *name)
{
	for (size_t i = 0; i < CLIENT_DOCTOR_CHECK_COUNT; i++) {
		const struct client_doctor_check *check = &CLIENT_DOCTOR_CHECKS[i];
		struct client_doctor_finding finding;

		if (check->section != section)
			continue;
		client_doctor_check_run(host, check, doctor->level, &finding);
		doctor_show(doctor, name, check->name, check->from <= doctor->level, &finding,
			    check->sentence, check->remedy);
	}
}

/* What holds of a worker only the daemon can say: it has tried. */
static void
doctor_layers(struct doctor *doctor)
{
	uint64_t needed = isolation_needed(doctor->level);

	for (unsigned i = 0; i < ISOLATION_LAYER_COUNT; i++) {
		const struct isolation_row *row = &ISOLATION_LAYERS[i];
		struct client_doctor_finding finding = {CLIENT_DOCTOR_UNKNOWN, "no daemon to ask"};
		uint64_t bit = UINT64_C(1) << i;

		if (doctor->answered && doctor->layers == 0) {
			(void)snprintf(finding.found, sizeof(finding.found), "not yet tried");
		} else if (doctor->layers & bit) {
			finding = (struct client_doctor_finding){CLIENT_DOCTOR_OK, "proved"};
		} else if (doctor->answered) {
			finding.state = needed & bit ? CLIENT_DOCTOR_MISSING : CLIENT_DOCTOR_RISK;
			(void)snprintf(finding.found, sizeof(finding.found), "not there");
		}
		doctor_show(doctor, "layers", row->name, (needed & bit) != 0, &finding,
			    row->sentence, row->remedy);
	}
}

static int
doctor_end(struct doctor *doctor, struct error *err)
{
	unsigned missing = doctor->counts[CLIENT_DOCTOR_MISSING];
	unsigned risks = doctor->counts[CLIENT_DOCTOR_RISK];
	unsigned unknown = doctor->counts[CLIENT_DOCTOR_UNKNOWN];
	json_t *all;

	if (doctor->rows == NULL) {
		(void)printf("isolation = %s: %u missing; %u risks, %u not checked\n",
			     isolation_level_name(doctor->level), missing, risks, unknown);
	} else {
		all = json_pack("{s:s, s:b, s:o, s:i, s:i, s:i}", "isolation_level",
				isolation_level_name(doctor->level), "daemon_answers",
				doctor->answered, "checks", json_incref(doctor->rows), "missing",
				(int)missing, "risks", (int)risks, "unknown", (int)unknown);
		if (all != NULL && doctor->answered)
			(void)json_object_set_new(all, "daemon",
						  json_pack("{s:s, s:s, s:b}", "version",
							    doctor->version, "isolation_level",
							    doctor->daemon_level, "rootless",
							    doctor->rootless));
		if (all == NULL || json_dumpf(all, stdout, JSON_COMPACT) < 0)
			return error_set(err, ERROR_LIMIT, "out of memory, or cannot write");
		(void)fputc('\n', stdout);
		json_decref(all);
	}
	if (fflush(stdout) != 0)
		return error_errno(err, "cannot write");
	return missing > 0;
}

static void
doctor_daemon(const struct doctor *doctor, const char *socket)
{
	if (doctor->rows != NULL)
		return;
	if (!doctor->answered)
		(void)printf("daemon\n  none answers at %s: its layers are not checked\n", socket);
	else
		(void)printf("daemon\n  version %s at %s, isolation = %s%s%s\n", doctor->version,
			     socket, doctor->daemon_level,
			     strcmp(doctor->daemon_level, "full") == 0 ? "" : " (weaker than full)",
			     doctor->rootless ? ", ROOTLESS: workers share the account that runs "
						"the service; for development only"
					      : "");
}

int
client_doctor(const struct client_options *options, struct error *err)
{
	struct doctor doctor = {.level = ISOLATION_FULL};
	struct client_doctor_host host;
	int code;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID,
				 "doctor takes options only: see `stint help "
				 "doctor`");
	doctor_ask(&doctor, options->socket);
	if (doctor.answered)
		(void)doctor_level(doctor.daemon_level, &doctor.level);
	if (options->isolation != NULL && doctor_level(options->isolation, &doctor.level) < 0)
		return error_set(err, ERROR_INVALID,
				 "--isolation '%s': want full, reduced or development",
				 options->isolation);
	if (client_doctor_check_host(&host) < 0)
		return error_errno(err, "cannot open /");
	if (options->json && (doctor.rows = json_array()) == NULL) {
		base_close(&host.root_fd);
		return error_set(err, ERROR_LIMIT, "out of memory");
	}
	doctor_heading(&doctor, "kernel: what the service needs");
	doctor_machine(&doctor, &host, CLIENT_DOCTOR_KERNEL, "kernel");
	doctor_daemon(&doctor, options->socket);
	doctor_heading(&doctor, "layers: what was found to hold of a worker");
	doctor_layers(&doctor);
	doctor_heading(&doctor, "host: settings that weaken what is around a job");
	doctor_machine(&doctor, &host, CLIENT_DOCTOR_HOST, "host");
	code = doctor_end(&doctor, err);
	json_decref(doctor.rows);
	base_close(&host.root_fd);
	return code;
}
