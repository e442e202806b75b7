/*
 * One reading of the daemon's metrics, and values out of it. Pure.
 */
#ifndef STINT_CLIENT_CLIENT_SAMPLE_H
#define STINT_CLIENT_CLIENT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

#define CLIENT_SAMPLE_NAME_BYTES 80

struct client_sample {
	char *text; /* owned: text exposition format, NUL terminated */
};

/* Takes over the text; NULL is a sample without any series. */
void client_sample_set(struct client_sample *sample, char *text);
void client_sample_deinit(struct client_sample *sample);

/* Value of `name`, or of `name{labels}` as the daemon writes it; 0 when there is none. */
double client_sample_value(const struct client_sample *sample, const char *name,
			   const char *labels);
/* Sum of all series of that name. */
double client_sample_sum(const struct client_sample *sample, const char *name);
/*
 * The series of a name, one after another: *at is NULL at first. ret_value is the value of their
 * first label, which must be `label`; it is cut when it is too long, and bytes that are not plain
 * become '?'. False at the end.
 */
bool client_sample_next(const struct client_sample *sample, const char *name, const char *label,
			const char **at, char ret_value[CLIENT_SAMPLE_NAME_BYTES],
			double *ret_number);

#endif
