/*
 * Mutated requests, from fixed seeds: whatever comes in, every answer is one JSON line, and the
 * daemon goes on serving others. Run it under the sanitizers to get the most of it.
 */
#include "front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS        6000u
#define LINE_MAX_SIZE 2048u

static const char *const SEEDS[] = {
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\",\"params\":{\"source\":\"print(1)\","
     "\"args\":[\"a\",\"\\u00e9\"],\"stdin\":{\"base64\":\"AAEC\"},\"inputs\":{\"n\":-12.5e3,"
     "\"big\":123456789012345678901234567890,\"l\":[null,true,false,{}]},\"outputs\":[\"n\"],"
     "\"limits\":{\"cpu_ms\":100,\"memory_bytes\":67108864},\"stream\":true,\"tag\":\"t\"}}"),
    ("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"job.run\",\"params\":{\"source\":\"f\","
     "\"entry\":{\"function\":\"f\",\"args\":[1],\"kwargs\":{\"a\":2}},\"name\":\"n.py\","
     "\"modules\":{\"m\":\"x=1\",\"p.q\":\"\"},\"mode\":\"exec\"}}"),
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"job.cancel\",\"params\":{\"id\":1}}",
    ("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"job.status\",\"params\":{\"job\":"
     "\"0000000000000000000000000000000a\"}}"),
    "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"daemon.info\",\"params\":{}}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.health\"}",
};
#define SEED_COUNT (sizeof(SEEDS) / sizeof(SEEDS[0]))

static const char *const WORDS[] = {"\"",
				    "\\u0000",
				    "\\ud800",
				    "{",
				    "}",
				    "[",
				    "]",
				    ":",
				    ",",
				    "null",
				    "1e309",
				    "-0",
				    "0x",
				    "\n",
				    "\r\n",
				    "\xff",
				    "\xc3",
				    "\xf0\x9f",
				    "99999999999999999999",
				    "\"id\":1,",
				    "\x01"};

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t
mutate(uint64_t *random, char *line, size_t size)
{
	size_t at = next_random(random) % (size + 1);
	switch (next_random(random) % 5) {
	case 0:
		if (at < size)
			line[at] = (char)next_random(random);
		return size;
	case 1: {
		size_t cut = next_random(random) % 20;
		cut = cut > size - at ? size - at : cut;
		memmove(line + at, line + at + cut, size - at - cut);
		return size - cut;
	}
	case 2: {
		const char *word = WORDS[next_random(random) % (sizeof(WORDS) / sizeof(WORDS[0]))];
		size_t length = strlen(word);
		if (size + length > LINE_MAX_SIZE)
			return size;
		memmove(line + at + length, line + at, size - at);
		memcpy(line + at, word, length);
		return size + length;
	}
	case 3: {
		size_t length = next_random(random) % 40;
		length = length > size - at ? size - at : length;
		if (size + length > LINE_MAX_SIZE)
			return size;
		memmove(line + at + length, line + at, size - at);
		return size + length;
	}
	default:
		if (at < size)
			line[at] = (char)(line[at] ^ (1 << next_random(random) % 8));
		return size;
	}
}

static void
check_rest_is_json(char *rest)
{
	for (char *save, *line = strtok_r(rest, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		json_t *value = json_loads(line, JSON_ALLOW_NUL, NULL);
		assert_non_null(value);
		assert_true(json_is_object(value));
		json_decref(value);
	}
}

static void
test_mutations(void **state)
{
	(void)state;
	uint64_t random = 0x9e3779b97f4a7c15ull;
	fake_engine_auto(true);
	struct front *front = front_new(NULL);
	fake_engine_auto(false);
	struct client *good = front_connect(front, FRONT_UID + 1);
	struct client *client = front_connect(front, FRONT_UID);
	for (unsigned round = 0; round < ROUNDS; round++) {
		char line[LINE_MAX_SIZE + 1];
		const char *seed = SEEDS[next_random(&random) % SEED_COUNT];
		size_t size = strlen(seed);
		memcpy(line, seed, size);
		for (size_t left = 1 + next_random(&random) % 4; left > 0; left--)
			size = mutate(&random, line, size);
		line[size++] = '\n';
		client_send(front, client, line, size);
		front_turn(front);
		if (round % 50 != 49)
			continue;
		client_half_close(client);
		char *rest = client_rest(front, client);
		check_rest_is_json(rest);
		free(rest);
		client_free(&client);
		client = front_connect(front, FRONT_UID);
		client_say(front, good,
			   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\","
			   "\"params\":{\"source\":\"good\"}}\n");
		char *text = client_result_text(front, good, "stdout");
		assert_string_equal(text, "good");
		free(text);
	}
	client_free(&client);
	client_free(&good);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mutations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
