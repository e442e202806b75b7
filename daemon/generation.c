/*
 * The life of one generation: ask the spawner for it, take what it sends, wait for the zygote,
 * notice its end. Never kills anything itself: it asks the spawner to end a generation that broke
 * the rules or is not needed any more, and waits until that is done. When and why one is started or
 * retired is succession.c's, which calls all of this and is called back on every change. What the
 * spawner does against the order ends stintd; what the zygote does against it ends only its
 * generation.
 */
#include "daemon/generation.h"

#include "daemon/alarm.h"
#include "daemon/layers.h"
#include "daemon/spawner_link.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/worker_abi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define GENERATION_START_MAX_MS 60000u /* until the zygote is ready */
#define GENERATION_GRACE_MS     1000u  /* for the spawner to notice by itself that a zygote died */
#define GENERATION_END_MAX_MS   20000u /* for the spawner to end one */

struct generation {
	enum generation_state state;
	uint64_t number;
	bool end_asked, proved, orderly;
	struct spawner_link *spawner; /* borrowed from the succession */
	struct zygote_link *zygote;   /* owned, or NULL */
	struct alarm *alarm;          /* owned: what it means depends on the state */
	struct leaf_root root;
	uint32_t uid_count;
	struct message_zygote about;
	enum isolation_level isolation;
	uint64_t layers_outside,
	    layers;      /* what the spawner says; what holds of the last that served */
	bool *served;    /* borrowed: some generation has */
	uv_loop_t *loop; /* borrowed from the caller */
	struct generation_callbacks callbacks;
};

static const char *const GENERATION_STATE_NAMES[GENERATION_STATE_COUNT] = {
    [GENERATION_NONE] = "none",         [GENERATION_STARTING] = "starting",
    [GENERATION_WARMING] = "warming",   [GENERATION_SERVING] = "serving",
    [GENERATION_RETIRING] = "retiring", [GENERATION_LOST] = "lost",
};

static const unsigned GENERATION_MOVES[GENERATION_STATE_COUNT] = {
    [GENERATION_NONE] = 1u << GENERATION_STARTING,
    [GENERATION_STARTING] = 1u << GENERATION_WARMING | 1u << GENERATION_NONE,
    [GENERATION_WARMING] = 1u << GENERATION_SERVING | 1u << GENERATION_LOST,
    [GENERATION_SERVING] = 1u << GENERATION_RETIRING | 1u << GENERATION_LOST,
    [GENERATION_RETIRING] = 1u << GENERATION_LOST,
    [GENERATION_LOST] = 1u << GENERATION_NONE,
};

static void
generation_move(struct generation *generation, enum generation_state state)
{
	require(GENERATION_MOVES[generation->state] & 1u << state);
	log_debug("generation", "%llu: %s -> %s", (unsigned long long)generation->number,
		  GENERATION_STATE_NAMES[generation->state], GENERATION_STATE_NAMES[state]);
	generation->state = state;
}

static void
generation_fatal(struct generation *generation, const struct error *err)
{
	alarm_stop(generation->alarm);
	generation->callbacks.fatal(generation->callbacks.context, err);
}

void
generation_start(struct generation *generation, uint64_t number)
{
	struct error err = ERROR_INIT;
	generation->number = number;
	generation->end_asked = generation->proved = generation->orderly = false;
	generation_move(generation, GENERATION_STARTING);
	if (spawner_link_start_generation(generation->spawner, generation->number, &err) < 0) {
		generation_fatal(generation, &err);
		return;
	}
	alarm_set(generation->alarm, GENERATION_START_MAX_MS);
}

/* It is over: drop what is left of it. */
static void
generation_finish(struct generation *generation)
{
	zygote_link_close(&generation->zygote);
	leaf_root_deinit(&generation->root);
	alarm_stop(generation->alarm);
	generation_move(generation, GENERATION_NONE);
	generation->callbacks.over(generation->callbacks.context, generation);
}

static void
generation_ask_end(struct generation *generation)
{
	struct error err = ERROR_INIT;
	generation->end_asked = true;
	if (spawner_link_end_generation(generation->spawner, generation->number, &err) < 0)
		generation_fatal(generation, &err);
	else
		alarm_set(generation->alarm, GENERATION_END_MAX_MS);
}

/* The zygote is of no use any more. */
static void
generation_lose(struct generation *generation, const char *why)
{
	generation_move(generation, GENERATION_LOST);
	log_error("generation", "generation %llu is lost: %s",
		  (unsigned long long)generation->number, why);
	generation->callbacks.lost(generation->callbacks.context, generation, why);
}

bool
generation_is_live(const struct generation *generation)
{
	return generation->state == GENERATION_SERVING || generation->state == GENERATION_RETIRING;
}

void
generation_abandon(struct generation *generation, const char *why)
{
	if (generation->state != GENERATION_WARMING && !generation_is_live(generation))
		return;
	generation_lose(generation, why);
	generation_ask_end(generation);
}

void
generation_retire(struct generation *generation)
{
	generation->orderly = true;
	leaf_root_clear(&generation->root);
	generation_move(generation, GENERATION_RETIRING);
}

void
generation_dismiss(struct generation *generation)
{
	require(generation->state == GENERATION_RETIRING);
	generation_move(generation, GENERATION_LOST);
	generation_ask_end(generation);
}

static void
generation_on_alarm(void *context)
{
	struct generation *generation = context;
	struct error err = ERROR_INIT;
	switch (generation->state) {
	case GENERATION_STARTING:
		(void)error_set(&err, ERROR_CLOSED, "the spawner does not answer");
		generation_fatal(generation, &err);
		break;
	case GENERATION_WARMING:
		generation_abandon(generation, "the zygote does not get ready");
		break;
	case GENERATION_LOST:
		if (!generation->end_asked) {
			generation_ask_end(generation);
			break;
		}
		(void)error_set(&err, ERROR_CLOSED, "the spawner does not end a generation");
		generation_fatal(generation, &err);
		break;
	case GENERATION_NONE:
	case GENERATION_SERVING:
	case GENERATION_RETIRING:
	case GENERATION_STATE_COUNT:
		require(!"an alarm in a state that has none");
	}
}

static void
generation_on_zygote_ready(void *context, const struct message_zygote *about)
{
	struct generation *generation = context;
	struct error err = ERROR_INIT;
	if (generation->state != GENERATION_WARMING)
		return; /* it was given up, and has said so too late */
	if (about->version != MESSAGE_VERSION || about->abi != WORKER_ABI_VERSION) {
		(void)error_set(&err, ERROR_UNSUPPORTED,
				"the zygote is of another build (messages %u, workers %u): "
				"install stintd and stint-zygote together",
				about->version, about->abi);
		generation_fatal(generation, &err);
		return;
	}
	uint64_t layers = isolation_join(generation->layers_outside, about->layers);
	if (layers_check(generation->isolation, layers, &err) < 0) {
		/* At the start nothing would change by trying again; later something has. */
		if (*generation->served)
			generation_abandon(generation, err.text);
		else
			generation_fatal(generation, &err);
		return;
	}
	alarm_stop(generation->alarm);
	generation->about = *about;
	generation->layers = layers;
	*generation->served = true;
	generation_move(generation, GENERATION_SERVING);
	log_info("generation", "generation %llu serves", (unsigned long long)generation->number);
	generation->callbacks.serving(generation->callbacks.context, generation);
}

static void
generation_on_forked(void *context, const struct message_forked *about, int pidfd)
{
	struct generation *generation = context;
	generation->callbacks.forked(generation->callbacks.context, generation, about, pidfd);
}

static void
generation_on_exited(void *context, const struct message_exited *about)
{
	struct generation *generation = context;
	generation->callbacks.exited(generation->callbacks.context, generation, about);
}

static void
generation_on_stopped(void *context, const struct message_exited *about)
{
	struct generation *generation = context;
	generation->callbacks.stopped(generation->callbacks.context, generation, about);
}

static void
generation_on_orphan(void *context)
{
	struct generation *generation = context;
	if (!generation_is_live(generation))
		return;
	log_error("generation",
		  "a worker of generation %llu has forked, so a layer of it does not hold: it is "
		  "replaced",
		  (unsigned long long)generation->number);
	generation->callbacks.tainted(generation->callbacks.context, generation);
}

static void
generation_on_zygote_closed(void *context, const struct error *err)
{
	struct generation *generation = context;
	if (generation->state == GENERATION_LOST)
		return;
	generation_lose(generation, err->code == ERROR_CLOSED ? "its zygote ended" : err->text);
	/* A dead zygote is the spawner's child: it is about to tell us. */
	if (err->code == ERROR_CLOSED)
		alarm_set(generation->alarm, GENERATION_GRACE_MS);
	else
		generation_ask_end(generation);
}

static void
generation_take(struct generation *generation, const struct message_generation *about, int *fds)
{
	struct leaf_root *root = &generation->root;
	leaf_root_init(root);
	for (uint32_t i = 0; i < about->dir_count; i++) {
		root->dirs[i] = fds[1 + i];
		root->roles[i] = about->roles[i];
		fds[1 + i] = -1;
	}
	root->dir_count = about->dir_count;
	/* -1 changes no group: with one account for all there is nobody else to let in. */
	root->gid = about->uid_count == MESSAGE_UID_SHARED ? (gid_t)-1 : about->uid_base;
	generation->uid_count = about->uid_count;
	generation->layers_outside = about->layers;
	uint32_t missing = CGROUP_ROLES_ALL & ~leaf_root_roles(root);
	if (missing)
		log_warning("generation", "no cgroup hierarchy for:%s%s%s%s",
			    missing & CGROUP_ROLE_MEMORY ? " memory" : "",
			    missing & CGROUP_ROLE_CPU ? " cpu" : "",
			    missing & CGROUP_ROLE_PIDS ? " pids" : "",
			    missing & CGROUP_ROLE_KILL ? " kill" : "");
	if ((leaf_root_roles(root) & CGROUP_ROLE_WEIGHT) == 0)
		log_info("generation", "no cpu controller: share_cores has no effect");
}

void
generation_started(struct generation *generation, const struct message_generation *about, int *fds)
{
	struct error err = ERROR_INIT;
	require(generation->state == GENERATION_STARTING && about->number == generation->number);
	if (about->error != 0) {
		log_error("generation", "the spawner could not start generation %llu: %s",
			  (unsigned long long)about->number, strerror(about->error));
		generation_finish(generation);
		return;
	}
	generation_take(generation, about, fds);
	struct zygote_link_callbacks callbacks = {
	    generation_on_zygote_ready, generation_on_forked,        generation_on_exited,
	    generation_on_stopped,      generation_on_orphan,        generation_on_zygote_closed,
	    generation};
	int link = fds[0];
	fds[0] = -1;
	if (zygote_link_new(generation->loop, link, &callbacks, &generation->zygote, &err) < 0) {
		generation_fatal(generation, &err);
		return;
	}
	generation_move(generation, GENERATION_WARMING);
}

static void
generation_log_end(const struct generation *generation, int status)
{
	enum log_level level = generation->orderly ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;
	if (WIFSIGNALED(status))
		base_log(level, "generation", "the zygote of generation %llu died by signal %d",
			 (unsigned long long)generation->number, WTERMSIG(status));
	else
		base_log(level, "generation", "the zygote of generation %llu ended with code %d",
			 (unsigned long long)generation->number, WEXITSTATUS(status));
}

void
generation_ended(struct generation *generation, const struct message_generation *about)
{
	require(generation->state != GENERATION_NONE && about->number == generation->number);
	generation_log_end(generation, about->wait_status);
	if (generation->state == GENERATION_WARMING || generation_is_live(generation))
		generation_lose(generation, "its zygote ended");
	generation_finish(generation);
}

int
generation_new(uv_loop_t *loop, struct spawner_link *spawner, enum isolation_level isolation,
	       bool *served, const struct generation_callbacks *callbacks,
	       struct generation **ret_generation, struct error *err)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	require(generation);
	generation->loop = loop;
	generation->isolation = isolation;
	generation->served = served;
	generation->spawner = spawner;
	generation->callbacks = *callbacks;
	leaf_root_init(&generation->root);
	int code = alarm_new(loop, generation_on_alarm, generation, &generation->alarm, err);
	if (code < 0) {
		generation_free(&generation);
		return code;
	}
	*ret_generation = generation;
	return 0;
}

void
generation_free(struct generation **generation)
{
	struct generation *gone = *generation;
	if (!gone)
		return;
	*generation = NULL;
	zygote_link_close(&gone->zygote);
	alarm_close(&gone->alarm);
	leaf_root_deinit(&gone->root);
	free(gone);
}

enum generation_state
generation_state(const struct generation *generation)
{
	return generation->state;
}

uint64_t
generation_number(const struct generation *generation)
{
	return generation->number;
}

struct zygote_link *
generation_zygote(const struct generation *generation)
{
	return generation->zygote;
}

struct leaf_root *
generation_root(struct generation *generation)
{
	return &generation->root;
}

uint32_t
generation_uid_count(const struct generation *generation)
{
	return generation->uid_count;
}

const struct message_zygote *
generation_about(const struct generation *generation)
{
	return &generation->about;
}

uint64_t
generation_layers(const struct generation *generation)
{
	return generation->layers;
}

void
generation_prove(struct generation *generation)
{
	generation->proved = true;
}

bool
generation_is_proved(const struct generation *generation)
{
	return generation->proved;
}

bool
generation_is_orderly(const struct generation *generation)
{
	return generation->orderly;
}
