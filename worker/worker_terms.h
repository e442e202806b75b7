/*
 * The limits record and the job blob, as a worker gets them from its channel.
 */
#ifndef STINT_WORKER_WORKER_TERMS_H
#define STINT_WORKER_WORKER_TERMS_H

#include "protocol/worker_abi.h"

#include <stddef.h>
#include <stdint.h>

/* Largest job blob that a worker takes: a request at the greatest request_bytes_max, and its
 * framing, and compiled code. */
#define WORKER_TERMS_BLOB_BYTES_MAX ((320u << 20) + CODE_FILE_BYTES)

struct worker_terms_fds {
	int stdin_fd; /* owned; -1: fd 0 stays as it is */
	int blob_fd;  /* owned; -1: the blob is the next datagram */
	int code_fd;  /* owned; -1: the compiled code is not asked for */
};

/* Wait for the record. 0 or -errno; what is received and not taken is closed. */
int worker_terms_receive(int channel, struct worker_terms *ret_terms,
			 struct worker_terms_fds *ret_fds);
/* Whether a record obeys worker_abi.h and limits.def for the worker `serial`. 0 or -EINVAL. */
int worker_terms_check(const struct worker_terms *terms, uint64_t serial);
/* Maps the file for the compiled code, shared, and closes its descriptor; NULL when there is none.
 * 0 or -errno. */
int worker_terms_map_code(struct worker_terms_fds *fds, void **ret_code);
/* The blob, mapped until the process ends: read-only for a descriptor, private memory else. Takes
 * the last datagram off the channel, and only when nothing else can fail. */
int worker_terms_read_blob(int channel, const struct worker_terms *terms,
			   struct worker_terms_fds *fds, const void **ret_blob);

#endif
