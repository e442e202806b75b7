/*
 * Draws with the few control sequences that every terminal of today knows. Signals that end a
 * program only leave a note: the loop ends by itself and the terminal is given back by the caller's
 * client_screen_close. Stopping by Ctrl-Z is switched off meanwhile: the shell would get a terminal
 * that is not its own. Called by client_top.c. Fails where the terminal does.
 */
#define _GNU_SOURCE
#include "client/client_screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SCREEN_BEGIN   "\033[?1049h\033[?25l"
#define SCREEN_END     "\033[?25h\033[?1049l"
#define SCREEN_HOME    "\033[H"
#define SCREEN_CLEAR   "\033[J"
#define SCREEN_EOL     "\033[K"
#define SCREEN_ROWS    24
#define SCREEN_COLUMNS 80

static struct termios screen_before;
static sigset_t screen_mask; /* before ours were blocked: they come in ppoll alone */
static bool screen_is_open;
static volatile sig_atomic_t screen_resized, screen_ended;

static const int ENDING[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define ENDING_COUNT (sizeof(ENDING) / sizeof(ENDING[0]))

static void
client_screen_on_signal(int number)
{
	if (number == SIGWINCH)
		screen_resized = 1;
	else
		screen_ended = 1;
}

bool
client_screen_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

int
client_screen_open(struct error *err)
{
	struct sigaction action = {.sa_handler = client_screen_on_signal};
	struct termios now;
	sigset_t ours;

	if (tcgetattr(STDIN_FILENO, &screen_before) < 0)
		return error_errno(err, "cannot read the terminal's mode");
	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGWINCH);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		(void)sigaddset(&ours, ENDING[i]);
	(void)sigprocmask(SIG_BLOCK, &ours, &screen_mask);
	(void)sigaction(SIGWINCH, &action, NULL);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		(void)sigaction(ENDING[i], &action, NULL);
	now = screen_before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	now.c_cc[VSUSP] = _POSIX_VDISABLE;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &now) < 0)
		return error_errno(err, "cannot set the terminal's mode");
	screen_is_open = true;
	(void)fputs(SCREEN_BEGIN, stdout);
	(void)fflush(stdout);
	return 0;
}

void
client_screen_draw(const char *text, size_t size)
{
	struct winsize window = {0};
	const char *end = text + size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_row == 0 ||
	    window.ws_col == 0)
		window = (struct winsize){.ws_row = SCREEN_ROWS, .ws_col = SCREEN_COLUMNS};
	(void)fputs(SCREEN_HOME, stdout);
	/* The last row stays empty: a line end there would scroll. */
	for (int row = 1; row < window.ws_row && text < end; row++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t length = stop != NULL ? (size_t)(stop - text) : (size_t)(end - text);

		(void)fwrite(text, 1, length < window.ws_col ? length : window.ws_col, stdout);
		if (length < window.ws_col)
			(void)fputs(SCREEN_EOL, stdout);
		(void)fputc('\n', stdout);
		text += length + (stop != NULL);
	}
	(void)fputs(SCREEN_CLEAR, stdout);
	(void)fflush(stdout);
}

static enum client_screen_event
client_screen_key(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		return CLIENT_SCREEN_END;
	if (n == 1 && (key == 'q' || key == 'Q' || key == 3 || key == 4))
		return CLIENT_SCREEN_END;
	return n == 1 && (key == ' ' || key == 12) ? CLIENT_SCREEN_TIME : CLIENT_SCREEN_REDRAW;
}

enum client_screen_event
client_screen_wait(int milliseconds)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	int n = ppoll(&input, 1, &time, &screen_mask);

	if (screen_ended)
		return CLIENT_SCREEN_END;
	if (screen_resized) {
		screen_resized = 0;
		return CLIENT_SCREEN_REDRAW;
	}
	if (n > 0)
		return client_screen_key();
	return n == 0 ? CLIENT_SCREEN_TIME : CLIENT_SCREEN_REDRAW;
}

void
client_screen_close(void)
{
	if (!screen_is_open)
		return;
	screen_is_open = false;
	(void)fputs(SCREEN_END, stdout);
	(void)fflush(stdout);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen_before);
}
