/*
 * The requests that wait for a job's end: who asked (session, tenant), under which request id,
 * and which job answers it. Found by ticket (engine callbacks), by job id (job.cancel, job.status
 * from any connection) and by request id within one client (duplicates, job.cancel by id).
 *
 * A client is one connection: added when it opens, removed with all its requests when it closes.
 * The job ids of removed requests are forgotten with them.
 */
#ifndef STINT_DAEMON_INWORK_H
#define STINT_DAEMON_INWORK_H

#include "daemon/hash_table.h"
#include "daemon/utf8_tail.h"
#include "protocol/base_list.h"
#include "protocol/limits.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stdint.h>

struct inwork_request;

struct inwork {
	struct hash_table tickets, jobs, ids;
	struct hash_table sessions;
	uint64_t last_ticket;
	/* A request with `wait` goes: called before. May be NULL while there is none. */
	void (*wait_gone)(struct inwork_request *request);
};

struct inwork_client {
	struct hash_link link; /* in inwork.sessions */
	uint64_t session;
	struct list requests; /* of struct inwork_request */
};

struct inwork_request {
	struct hash_link ticket_link, job_link, id_link;
	struct link link;                 /* in client->requests */
	struct inwork_client *client;     /* borrowed */
	uint64_t ticket;                  /* never 0, unique for the life of the process */
	char *id;                         /* owned: the request's id as JSON text */
	char tenant[TENANT_NAME_MAX + 1]; /* whose it is: a gateway's client has many */
	char job[JOB_ID_CHARS + 1];       /* empty until the engine took it */
	void *wait; /* owned by durable_wait.c: for which job's end, or NULL */
	bool stream;
	struct utf8_tail tails[2]; /* of streamed stdout and stderr */
};

void inwork_init(struct inwork *ret_inwork);
/* All clients must be gone. */
void inwork_deinit(struct inwork *inwork);

void inwork_client_add(struct inwork *inwork, struct inwork_client *client, uint64_t session);
/* Forget the client and its requests. Harmless for a client that was never added. */
void inwork_client_remove(struct inwork *inwork, struct inwork_client *client);
struct inwork_client *inwork_client_find(const struct inwork *inwork, uint64_t session);

/* A new request with `id` and `tenant` copied; NULL when the client has one with this id in work.
 */
struct inwork_request *inwork_add(struct inwork *inwork, struct inwork_client *client,
				  const char *id, const char *tenant);
void inwork_set_job(struct inwork *inwork, struct inwork_request *request, const char *job);
/* Takes the request out and frees it; NULL is harmless. */
void inwork_remove(struct inwork *inwork, struct inwork_request **request);

struct inwork_request *inwork_find(const struct inwork *inwork, uint64_t ticket);
struct inwork_request *inwork_find_job(const struct inwork *inwork, const char *job);
struct inwork_request *inwork_find_id(const struct inwork *inwork,
				      const struct inwork_client *client, const char *id);

#endif
