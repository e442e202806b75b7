/*
 * What a stintd that was taken over may say to the spawner, and what a stintd may send a worker as
 * its limits record: both are checked by pure functions, and both must take exactly one form.
 *
 * The first byte chooses the state. Whatever is permitted is a message that the spawner could have
 * written itself, but for the number.
 */
#include "fuzz.h"

#include "worker/spawner_monitor.h"
#include "worker/worker_terms.h"

#include <string.h>

#define FUZZ_SERIAL 7u

static void
check_monitor(const uint8_t *data, size_t size)
{
	struct spawner_monitor_view view = {
	    .state = (enum spawner_daemon_state)(1u << (data[0] & 3)),
	    .seen = data[1],
	    .generation_last = data[2],
	    .live = data[3] & 3,
	};
	struct message message, expected;
	size_t length = size - 4;
	struct error err = ERROR_INIT;
	int rc;

	memset(&message, 0, sizeof(message));
	memcpy(&message, data + 4, length < sizeof(message) ? length : sizeof(message));
	rc = spawner_monitor_check(&view, &message, length, &err);
	if (rc < 0) {
		FUZZ_HOLDS(err.text[0] != '\0');
		return;
	}
	FUZZ_HOLDS(length == sizeof(message));
	FUZZ_HOLDS(view.state != SPAWNER_DAEMON_DOWN);
	message_init(&expected, message.type);
	expected.body.generation.number = message.body.generation.number;
	FUZZ_HOLDS(memcmp(&expected, &message, sizeof(message)) == 0);
	if (message.type == MESSAGE_GENERATION_START)
		FUZZ_HOLDS(message.body.generation.number > view.generation_last &&
			   view.live < SPAWNER_GENERATIONS_MAX);
}

static void
check_terms(const uint8_t *data, size_t size)
{
	struct worker_terms terms;

	if (size < sizeof(terms))
		return;
	memcpy(&terms, data, sizeof(terms));
	if (worker_terms_check(&terms, FUZZ_SERIAL) < 0)
		return;
	FUZZ_HOLDS(terms.serial == FUZZ_SERIAL && terms.magic == WORKER_TERMS_MAGIC);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		FUZZ_HOLDS(limits_get(&terms.limits, (enum limit_id)i) >= LIMITS[i].min &&
			   limits_get(&terms.limits, (enum limit_id)i) <= LIMITS[i].max);
	FUZZ_HOLDS(terms.blob_bytes <= WORKER_TERMS_BLOB_BYTES_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	check_monitor(data, size);
	check_terms(data, size);
	return 0;
}
