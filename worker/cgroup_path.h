/*
 * Names and paths of control groups, as text only: no file is touched. Used by cgroup_find and
 * cgroup_tree.
 */
#ifndef STINT_WORKER_CGROUP_PATH_H
#define STINT_WORKER_CGROUP_PATH_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CGROUP_PATH_BYTES_MAX      512
#define CGROUP_PATH_NAME_BYTES_MAX 32

/*
 * The group of `controller` in the text of a /proc/<pid>/cgroup file; "" asks for the unified tree
 * ("0::"). ret gets an absolute path inside the hierarchy, "/" for its root. ERROR_NOT_FOUND when
 * no line has the controller; ERROR_INVALID for a group outside of this cgroup namespace ("/..") or
 * one that was removed; ERROR_LIMIT when the path does not fit.
 */
int cgroup_path_own(const char *text, const char *controller, char *ret, size_t size,
		    struct error *err);
/* Whether `list`, words between blanks or line ends (cgroup.controllers), has `word`. */
bool cgroup_path_has_word(const char *list, const char *word);
/* The name of the service's group for the spawner `pid`. */
void cgroup_path_service(pid_t pid, char ret[CGROUP_PATH_NAME_BYTES_MAX]);
/* The pid in a name that cgroup_path_service made, or 0 for any other name. */
pid_t cgroup_path_service_pid(const char *name);

#endif
