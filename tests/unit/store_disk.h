/*
 * The disk below a store: its writes and syncs fail, or wait, as a test says. A program that has
 * this is linked with $(STORE_WRAPS). The switches are memory that is shared
 * with children, so that a client which was forked off can throw them.
 */
#ifndef STINT_TESTS_UNIT_STORE_DISK_H
#define STINT_TESTS_UNIT_STORE_DISK_H

#include <stdbool.h>

struct store_disk {
	_Atomic int write_errno, sync_errno; /* 0: it works */
	_Atomic int rename_errno;            /* of the database's file, not of its log */
	/* The next one says that it has come, and waits; it clears its switch. */
	_Atomic bool write_waits, sync_waits;
};

/* All of it off, and what waits goes on: around every test. Made at the first call. */
struct store_disk *store_disk_reset(void);
/* Wait until the call is there that waits; have it go on. */
void store_disk_entered(void);
void store_disk_go(void);

#endif
