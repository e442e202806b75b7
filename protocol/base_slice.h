/*
 * How long a turn the kernel's scheduler gives a thread (EEVDF; sched_setattr(2), sched_runtime of
 * SCHED_OTHER, from Linux 6.12 on). One that asks for short turns is put before those with longer
 * ones when it wakes, with no larger part of a core in the end. Children and new threads have it
 * too. Before that kernel, or where it is forbidden, nothing changes, and that is no error.
 */
#ifndef STINT_PROTOCOL_BASE_SLICE_H
#define STINT_PROTOCOL_BASE_SLICE_H

#include <stdint.h>

/* struct sched_attr, its first version; where there are headers of it, they clash with the C
 * library's. size 0: it is as it was. */
struct base_slice {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

/* The calling thread gets the shortest turns that there are; how it was goes to *ret_before. */
void base_slice_shorten(struct base_slice *ret_before);
/* As it was, by sched_setattr of itself; nothing where it could not be shortened. 0 or -errno. */
int base_slice_restore(const struct base_slice *before);

#endif
