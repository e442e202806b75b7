/*
 * The metrics of a whole stintd as text, with what is only known by asking (load, limits, layers).
 */
#ifndef STINT_DAEMON_METRICS_GATHER_H
#define STINT_DAEMON_METRICS_GATHER_H

#include "protocol/text_buffer.h"

struct rpc;

/* Appends to text; text->failed tells of a lack of memory. rpc->metrics is not NULL. */
void metrics_gather(struct rpc *rpc, struct text_buffer *text);

#endif
