/*
 * Intrusive doubly linked list with a count. A link is in at most one list; link.owner names it, so
 * that "exactly one list per state" can be checked.
 */
#ifndef STINT_PROTOCOL_BASE_LIST_H
#define STINT_PROTOCOL_BASE_LIST_H

#include "protocol/base_assert.h"

#include <stddef.h>

struct list;
struct link {
	struct link *next, *prev;
	struct list *owner; /* borrowed: the list this link is in, or NULL */
};
struct list {
	struct link head;
	size_t count;
};

#define list_item(link_pointer, type, member) \
	((type *)(void *)((char *)(link_pointer)-offsetof(type, member)))

static inline void
list_init(struct list *list)
{
	list->head.next = list->head.prev = &list->head;
	list->head.owner = list;
	list->count = 0;
}

static inline void
list_append(struct list *list, struct link *link)
{
	require(link->owner == NULL);
	link->prev = list->head.prev;
	link->next = &list->head;
	list->head.prev->next = link;
	list->head.prev = link;
	link->owner = list;
	list->count++;
}

static inline void
list_prepend(struct list *list, struct link *link)
{
	require(link->owner == NULL);
	link->prev = &list->head;
	link->next = list->head.next;
	list->head.next->prev = link;
	list->head.next = link;
	link->owner = list;
	list->count++;
}

static inline void
list_remove(struct link *link)
{
	if (link->owner == NULL)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->owner->count--;
	link->next = link->prev = NULL;
	link->owner = NULL;
}

static inline struct link *
list_first(const struct list *list)
{
	return list->count > 0 ? list->head.next : NULL;
}

static inline struct link *
list_next(const struct list *list, const struct link *link)
{
	return link->next == &list->head ? NULL : link->next;
}

#define LIST_FOREACH(list, link_) \
	for (struct link *link_ = list_first(list); link_; link_ = list_next((list), link_))
#define LIST_FOREACH_SAFE(list, link_, next_) \
	for (struct link *link_ = list_first(list), *next_; \
	     link_ && ((next_ = list_next((list), link_)), 1); link_ = next_)

#endif
