/*
 * Where charges go in a flow graph of blocks, and how large each is. Pure: no interpreter, no I/O.
 *
 * The sum of charges met on a path, less what its end still has prepaid, is the sum of the costs of
 * the blocks on it. A block may pay for blocks that follow it (prepayment), never for one before, so
 * that leaving a block by an exception can leave something overpaid and nothing unpaid.
 *
 * pre(b) is what is prepaid when b is entered, post(b) what b leaves prepaid to its successors; both
 * are >= 0, and equal along every edge. All ends of edges that are tied so form one class with one
 * value. charge(b) = cost(b) + post(b) - pre(b), may be negative (a refund), and is left out when 0.
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
	uint32_t cost;	       /* instructions that count */
	bool enters_unpaid;    /* pre must be 0: entry, exception handler, after a suspension */
	bool no_charge;	       /* nothing can be inserted here: its predecessors must prepay it */
	/* found */
	uint32_t pre, post; /* prepaid before and after, in instructions */
	int32_t charge;
};

/*
 * Fill pre, post and charge of blocks[0 .. count-1], which stand in the order of the code: an edge to
 * the same or an earlier block is a loop. Linear in count. False when memory is short.
 * A no_charge block that cannot be prepaid (its class must be 0) keeps a charge of its own: the
 * caller adds it to the blocks that lead there, or refuses the code.
 */
bool meter_place(struct meter_block *blocks, size_t count);

#endif
