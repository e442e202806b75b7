/*
 * The terminal as a screen that is drawn anew: taken at the start, given back as it was at the end,
 * whatever ends it.
 */
#ifndef STINT_CLIENT_CLIENT_SCREEN_H
#define STINT_CLIENT_CLIENT_SCREEN_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>

enum client_screen_event {
	CLIENT_SCREEN_TIME,   /* the time is over */
	CLIENT_SCREEN_REDRAW, /* another size, or a key that asks for it */
	CLIENT_SCREEN_END,    /* q, Ctrl-C, a signal, end of input */
};

/* Whether standard input and output are one. */
bool client_screen_is_there(void);
/* Take it: no echo, no line mode, another buffer, no cursor. One at a time. */
int client_screen_open(struct error *err);
/* Show the text from the top, each line and the lines as a whole cut to the size. */
void client_screen_draw(const char *text, size_t size);
/* Wait for at most so long. */
enum client_screen_event client_screen_wait(int milliseconds);
/* Give it back. Harmless when it is not open. */
void client_screen_close(void);

#endif
