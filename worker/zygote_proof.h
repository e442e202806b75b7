/*
 * The first worker of a zygote: made by it alone, before it says READY, to see what holds of a
 * worker's confinement.
 */
#ifndef STINT_WORKER_ZYGOTE_PROOF_H
#define STINT_WORKER_ZYGOTE_PROOF_H

#include "protocol/error.h"
#include "worker/zygote_loop.h"

#include <stdbool.h>
#include <stdint.h>

struct zygote_proof {
	int proc;       /* owned: the host's /proc, O_PATH */
	int page;       /* owned: what stintd would give to a worker */
	int channel[2]; /* owned: ours, the worker's */
	bool read_only_root;
};

#define ZYGOTE_PROOF_INIT                                                                          \
	{                                                                                          \
		.proc = -1, .page = -1, .channel = {-1, -1},                                       \
	}

/* Between the change of the root and the filter. *proc moves in. */
int zygote_proof_open(const char *stdlib, int *proc, struct zygote_proof *ret_proof,
		      struct error *err);
/*
 * Under the filter, in the zygote as it will serve. ret_layers: bits of enum isolation_layer that
 * the zygote vouches for. A worker that does not come through its steps is an error that names the
 * step. Closes everything, also on failure.
 */
int zygote_proof_run(struct zygote_proof *proof, const struct zygote_loop *loop,
		     uint64_t *ret_layers, struct error *err);

#endif
