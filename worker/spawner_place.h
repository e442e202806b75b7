/*
 * The directory of a file that the spawner makes by its configuration: followed once, then known by
 * its descriptor.
 */
#ifndef STINT_WORKER_SPAWNER_PLACE_H
#define STINT_WORKER_SPAWNER_PLACE_H

#include "protocol/error.h"

#define SPAWNER_PLACE_PATH_BYTES 256
#define SPAWNER_PLACE_NAME_BYTES 108

struct spawner_place {
	int dir_fd;                          /* owned */
	char name[SPAWNER_PLACE_NAME_BYTES]; /* of the file in it */
};

/*
 * Open the directory of an absolute path, and make it when only that is missing. Refused is one in
 * which somebody else could put something of his own in the file's place: that is not root's or the
 * caller's, or that others may write, unless it is root's and sticky. `setting` and `thing` are for
 * the message: "socket", "the socket".
 */
int spawner_place_open(const char *setting, const char *thing, const char *path,
		       struct spawner_place *ret_place, struct error *err);

#endif
