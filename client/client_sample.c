/*
 * Looks values up in the text of daemon.metrics. It believes in nothing: a line of another form is
 * passed over. Called by client_top.c. Cannot fail.
 */
#include "client/client_sample.h"

#include <stdlib.h>
#include <string.h>

void
client_sample_set(struct client_sample *sample, char *text)
{
	free(sample->text);
	sample->text = text;
}

void
client_sample_deinit(struct client_sample *sample)
{
	client_sample_set(sample, NULL);
}

static const char *
client_sample_line_end(const char *line)
{
	const char *end = strchr(line, '\n');
	return end != NULL ? end : line + strlen(line);
}

/* Next line at or after `from` that is a series of `name`; NULL at the end. */
static const char *
client_sample_line(const char *from, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = from; line != NULL && *line != '\0';) {
		if (*line == '\n') {
			line++;
			continue;
		}
		if (strncmp(line, name, length) == 0 &&
		    (line[length] == '{' || line[length] == ' '))
			return line;
		line = client_sample_line_end(line);
	}
	return NULL;
}

/* What stands behind the last blank of the line. */
static double
client_sample_number(const char *line)
{
	const char *end = client_sample_line_end(line), *blank = end;

	while (blank > line && *blank != ' ')
		blank--;
	return blank > line ? strtod(blank, NULL) : 0;
}

/* The line has this text behind its name. */
static bool
client_sample_has(const char *line, const char *name, const char *open, const char *label,
		  const char *value, const char *close)
{
	const char *const parts[] = {name, open, label, value, close};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strncmp(line, parts[i], strlen(parts[i])) != 0)
			return false;
		line += strlen(parts[i]);
	}
	return true;
}

double
client_sample_value(const struct client_sample *sample, const char *name, const char *labels)
{
	const char *open = labels != NULL ? "{" : "", *close = labels != NULL ? "} " : " ";

	for (const char *line = client_sample_line(sample->text, name); line != NULL;
	     line = client_sample_line(client_sample_line_end(line), name)) {
		if (client_sample_has(line, name, open, labels != NULL ? labels : "", "", close))
			return client_sample_number(line);
	}
	return 0;
}

double
client_sample_sum(const struct client_sample *sample, const char *name)
{
	double sum = 0;

	for (const char *line = client_sample_line(sample->text, name); line != NULL;
	     line = client_sample_line(client_sample_line_end(line), name))
		sum += client_sample_number(line);
	return sum;
}

bool
client_sample_next(const struct client_sample *sample, const char *name, const char *label,
		   const char **at, char ret_value[CLIENT_SAMPLE_NAME_BYTES], double *ret_number)
{
	const char *line =
	    client_sample_line(*at != NULL ? client_sample_line_end(*at) : sample->text, name);
	const char *from;
	size_t length = 0;

	while (line != NULL && !client_sample_has(line, name, "{", label, "=\"", ""))
		line = client_sample_line(client_sample_line_end(line), name);
	if (line == NULL)
		return false;
	*at = line;
	*ret_number = client_sample_number(line);
	from = line + strlen(name) + strlen(label) + 3;
	for (; *from != '"' && *from != '\n' && *from != '\0'; from++) {
		if (length + 1 < CLIENT_SAMPLE_NAME_BYTES)
			ret_value[length++] = *from > ' ' && *from <= '~' ? *from : '?';
	}
	ret_value[length] = '\0';
	return true;
}
