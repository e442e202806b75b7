/*
 * Events of a trace as text on standard error.
 *
 *   main.py: <module>
 *   L. 1   @  6: BINARY_OP (2, 3) **=
 */
#ifndef STINT_CLIENT_CLIENT_TRACE_H
#define STINT_CLIENT_CLIENT_TRACE_H

#include "client/client_json.h"

#define CLIENT_TRACE_PLACE_BYTES 512

struct client_trace {
	char place[CLIENT_TRACE_PLACE_BYTES]; /* file, function and thread that the last event was
						 in */
};
#define CLIENT_TRACE_INIT                                                                          \
	{                                                                                          \
		""                                                                                 \
	}

/* Print all events of a JSON array. */
void client_trace_events(struct client_trace *trace, struct client_json events);

#endif
