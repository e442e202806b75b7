/*
 * Where charges go in a flow graph of blocks, and how large each is. Pure: no interpreter, no I/O.
 *
 * The sum of the charges met on a path, less what its end still has prepaid, is the sum of the
 * costs of the blocks on it. A block may pay for blocks that follow it (prepayment), never for one
 * before; no charge is negative. So the sum of charges only ever rises, it is never below what was
 * executed, and where a path is left early (an exception) something is overpaid and nothing unpaid.
 *
 * pre(b) is what is prepaid when b is entered, post(b) what b leaves prepaid to its successors;
 * both are >= 0, and equal along every edge. All ends of edges that are tied so form one class with
 * one value. charge(b) = cost(b) + post(b) - pre(b), and is left out when 0.
 */
#ifndef STINT_WORKER_METER_PLACE_H
#define STINT_WORKER_METER_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METER_NO_BLOCK (-1)

struct meter_block {
	/* given */
	int32_t successors[2]; /* block indexes or METER_NO_BLOCK */
	uint32_t cost;         /* instructions that count */
	bool enters_unpaid;    /* pre must be 0: entry, exception handler, after a suspension */
	bool no_charge;        /* nothing can be inserted here: its predecessors must prepay it */
	/* found */
	uint32_t pre, post; /* prepaid before and after, in instructions */
	uint32_t charge;
};

/*
 * Fill pre, post and charge of blocks[0 .. count-1]. Near linear in count. False when memory is
 * short. A no_charge block that cannot be prepaid (its class must be 0) keeps a charge: the caller
 * moves its cost to the block before it, or refuses the code.
 */
bool meter_place(struct meter_block *blocks, size_t count);

#endif
