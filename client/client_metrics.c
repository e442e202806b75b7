/*
 * Asks for daemon.metrics and prints its text. Called by client_main.c and client_top.c. Fails with
 * the daemon's own reason: the metrics are for operators.
 */
#include "client/client_metrics.h"

#include "client/client_json.h"
#include "client/client_print.h"
#include "client/client_status.h"

#include <stdio.h>
#include <stdlib.h>

int
client_metrics_ask(struct client_connection *connection, char **ret_text, size_t *ret_size,
		   struct error *err)
{
	struct client_json result;
	int code = client_status_ask(connection, "daemon.metrics", NULL, NULL, &result, err);

	if (code < 0)
		return code;
	*ret_text = client_json_bytes(client_json_member(result, "text"), ret_size);
	if (*ret_text == NULL)
		return error_set(err, ERROR_INVALID, "an answer that is not understood");
	return 0;
}

int
client_metrics(const struct client_options *options, struct error *err)
{
	struct client_connection connection = CLIENT_CONNECTION_INIT;
	char *text = NULL;
	size_t size = 0;
	int code;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID, "metrics takes no argument");
	code = client_connect(options->socket, &connection, err);
	if (code == 0)
		code = client_metrics_ask(&connection, &text, &size, err);
	/* Whoever answers may not steer the terminal. */
	for (size_t i = 0; code == 0 && i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		(void)putchar((c >= 0x20 && c != 0x7f) || c == '\n' ? c : '?');
	}
	if (code == 0 && fflush(stdout) != 0)
		code = error_errno(err, "cannot write");
	free(text);
	client_connect_close(&connection);
	return code;
}
