/*
 * Reads daemon.metrics again and again and shows what has changed. Where standard output is no
 * terminal, it does so once, with rates since the daemon's start.
 *
 * All that it shows goes through client_top_view.c, and the terminal through client_screen.c. When
 * the daemon is gone it ends with the reason, on a terminal that is as it was. Called by
 * client_main.c.
 */
#include "client/client_top.h"

#include "client/client_connect.h"
#include "client/client_metrics.h"
#include "client/client_sample.h"
#include "client/client_screen.h"
#include "client/client_top_view.h"
#include "client/client_units.h"
#include "protocol/base_clock.h"

#include <stdio.h>
#include <stdlib.h>

#define TOP_INTERVAL_MS     2000u
#define TOP_INTERVAL_MIN_MS 100u
#define TOP_INTERVAL_MAX_MS 3600000u
#define TOP_TITLE_BYTES     64

struct top {
	struct client_connection connection;
	struct client_sample now, before;
	uint64_t now_ns, before_ns;
	uint64_t interval_ms;
};

static int
client_top_sample(struct top *top, struct error *err)
{
	char *text;
	size_t size;
	int code = client_metrics_ask(&top->connection, &text, &size, err);

	if (code < 0)
		return code;
	client_sample_set(&top->before, top->now.text);
	top->now.text = text;
	top->before_ns = top->now_ns;
	top->now_ns = clock_now_ns(&CLOCK_SYSTEM);
	return 0;
}

/* As lines, the caller's to free. */
static int
client_top_lines(const struct top *top, char **ret_text, size_t *ret_size, struct error *err)
{
	char title[TOP_TITLE_BYTES] = "since the start", time[CLIENT_UNITS_BYTES];
	struct client_top_view view = {.now = &top->now, .before = &top->before, .title = title};

	if (top->before.text != NULL) {
		uint64_t passed_ns = top->now_ns - top->before_ns;
		view.seconds = (double)passed_ns / NS_PER_S;
		(void)snprintf(title, sizeof(title), "last %s",
			       client_units_time(passed_ns / NS_PER_US, time));
	} else {
		view.seconds = client_sample_value(&top->now, "stint_uptime_seconds", NULL);
	}
	*ret_text = client_top_view(&view, ret_size);
	return *ret_text != NULL ? 0 : error_set(err, ERROR_LIMIT, "out of memory");
}

static int
client_top_draw(const struct top *top, struct error *err)
{
	char *text;
	size_t size;
	int code = client_top_lines(top, &text, &size, err);

	if (code < 0)
		return code;
	client_screen_draw(text, size);
	free(text);
	return 0;
}

static int
client_top_live(struct top *top, struct error *err)
{
	enum client_screen_event event = CLIENT_SCREEN_REDRAW;
	uint64_t due_ns = top->now_ns + top->interval_ms * NS_PER_MS, now_ns;
	int code = client_screen_open(err);

	while (code == 0 && event != CLIENT_SCREEN_END) {
		code = client_top_draw(top, err);
		now_ns = clock_now_ns(&CLOCK_SYSTEM);
		if (code == 0)
			event = client_screen_wait(
			    now_ns < due_ns ? (int)((due_ns - now_ns) / NS_PER_MS) + 1 : 0);
		if (code == 0 && event == CLIENT_SCREEN_TIME) {
			code = client_top_sample(top, err);
			due_ns = top->now_ns + top->interval_ms * NS_PER_MS;
		}
	}
	client_screen_close();
	return code;
}

static int
client_top_once(const struct top *top, struct error *err)
{
	char *text;
	size_t size;
	int code = client_top_lines(top, &text, &size, err);

	if (code < 0)
		return code;
	(void)fwrite(text, 1, size, stdout);
	free(text);
	return fflush(stdout) == 0 ? 0 : error_errno(err, "cannot write");
}

int
client_top(const struct client_options *options, struct error *err)
{
	struct top top = {.connection = CLIENT_CONNECTION_INIT, .interval_ms = TOP_INTERVAL_MS};
	int code = 0;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID, "top takes no argument");
	if (options->interval != NULL) {
		code = client_units_parse(options->interval, "ms", &top.interval_ms, err);
		if (code < 0)
			return error_wrap(err, "--interval");
		if (top.interval_ms < TOP_INTERVAL_MIN_MS || top.interval_ms > TOP_INTERVAL_MAX_MS)
			return error_set(err, ERROR_INVALID,
					 "--interval must be from 100ms to 1h, not %s",
					 options->interval);
	}
	code = client_connect(options->socket, &top.connection, err);
	if (code == 0)
		code = client_top_sample(&top, err);
	if (code == 0)
		code = client_screen_is_there() ? client_top_live(&top, err)
						: client_top_once(&top, err);
	client_connect_close(&top.connection);
	client_sample_deinit(&top.now);
	client_sample_deinit(&top.before);
	return code;
}
