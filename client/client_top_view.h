/*
 * What `stint top` shows, as lines of text. Pure: samples in, text out.
 */
#ifndef STINT_CLIENT_CLIENT_TOP_VIEW_H
#define STINT_CLIENT_CLIENT_TOP_VIEW_H

#include "client/client_sample.h"

#include <stddef.h>

struct client_top_view {
	const struct client_sample *now, *before; /* before: an earlier one, or an empty one */
	double seconds;                           /* between both; 0: no rates */
	const char *title;                        /* what the rates are of: "last 2.00 s" */
};

/* The lines, each ended, in memory that the caller frees; *ret_size without a final NUL. Tenants
 * come busiest first. NULL without memory. */
char *client_top_view(const struct client_top_view *view, size_t *ret_size);

#endif
