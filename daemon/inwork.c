/*
 * Registry of the requests that wait for a job's end; see the header.
 *
 * It never calls the engine, the outbox or a connection: those find each other here by number, and
 * may find nothing. One tenant's jobs are told apart from another's by the caller, from
 * request->tenant.
 * Called by connection.c, method_job.c and reply.c, on the loop only. Lack of memory ends the
 * process (requests in work are bounded by connections_max times connection_jobs_max).
 */
#include "daemon/inwork.h"

#include "protocol/base_assert.h"

#include <stdlib.h>
#include <string.h>

void
inwork_init(struct inwork *ret_inwork)
{
	memset(ret_inwork, 0, sizeof(*ret_inwork));
	hash_table_init(&ret_inwork->tickets);
	hash_table_init(&ret_inwork->jobs);
	hash_table_init(&ret_inwork->ids);
	hash_table_init(&ret_inwork->sessions);
}

void
inwork_deinit(struct inwork *inwork)
{
	hash_table_deinit(&inwork->tickets);
	hash_table_deinit(&inwork->jobs);
	hash_table_deinit(&inwork->ids);
	hash_table_deinit(&inwork->sessions);
}

static uint64_t
number_hash(const struct hash_table *table, uint64_t number)
{
	return hash_table_hash(table, 0, &number, sizeof(number));
}

void
inwork_client_add(struct inwork *inwork, struct inwork_client *client, uint64_t session)
{
	require(session != 0);
	client->session = session;
	list_init(&client->requests);
	hash_table_add(&inwork->sessions, &client->link, number_hash(&inwork->sessions, session));
}

void
inwork_client_remove(struct inwork *inwork, struct inwork_client *client)
{
	if (client->session == 0)
		return;
	struct link *link;
	while ((link = list_first(&client->requests)) != NULL) {
		struct inwork_request *request = list_item(link, struct inwork_request, link);
		inwork_remove(inwork, &request);
	}
	hash_table_remove(&inwork->sessions, &client->link);
	client->session = 0;
}

struct inwork_client *
inwork_client_find(const struct inwork *inwork, uint64_t session)
{
	uint64_t hash = number_hash(&inwork->sessions, session);
	struct hash_link *link = hash_table_first(&inwork->sessions, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct inwork_client *client = hash_table_item(link, struct inwork_client, link);
		if (client->session == session)
			return client;
	}
	return NULL;
}

static uint64_t
id_hash(const struct inwork *inwork, const struct inwork_client *client, const char *id)
{
	return hash_table_hash(&inwork->ids, client->session, id, strlen(id));
}

struct inwork_request *
inwork_add(struct inwork *inwork, struct inwork_client *client, const char *id, const char *tenant)
{
	size_t size = strlen(tenant);
	if (inwork_find_id(inwork, client, id) != NULL)
		return NULL;
	struct inwork_request *request = calloc(1, sizeof(*request));
	require(request != NULL);
	request->id = strdup(id);
	require(request->id != NULL && size <= TENANT_NAME_MAX);
	memcpy(request->tenant, tenant, size);
	request->client = client;
	request->ticket = ++inwork->last_ticket;
	list_append(&client->requests, &request->link);
	hash_table_add(&inwork->tickets, &request->ticket_link,
		       number_hash(&inwork->tickets, request->ticket));
	hash_table_add(&inwork->ids, &request->id_link, id_hash(inwork, client, id));
	return request;
}

void
inwork_set_job(struct inwork *inwork, struct inwork_request *request, const char *job)
{
	require(request->job[0] == '\0' && strlen(job) == JOB_ID_CHARS);
	memcpy(request->job, job, JOB_ID_CHARS + 1);
	hash_table_add(&inwork->jobs, &request->job_link,
		       hash_table_hash(&inwork->jobs, 0, job, JOB_ID_CHARS));
}

void
inwork_remove(struct inwork *inwork, struct inwork_request **request)
{
	struct inwork_request *r = *request;
	if (r == NULL)
		return;
	*request = NULL;
	if (r->wait != NULL)
		inwork->wait_gone(r);
	hash_table_remove(&inwork->tickets, &r->ticket_link);
	hash_table_remove(&inwork->ids, &r->id_link);
	if (r->job[0] != '\0')
		hash_table_remove(&inwork->jobs, &r->job_link);
	list_remove(&r->link);
	free(r->id);
	free(r);
}

struct inwork_request *
inwork_find(const struct inwork *inwork, uint64_t ticket)
{
	uint64_t hash = number_hash(&inwork->tickets, ticket);
	struct hash_link *link = hash_table_first(&inwork->tickets, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct inwork_request *request =
		    hash_table_item(link, struct inwork_request, ticket_link);
		if (request->ticket == ticket)
			return request;
	}
	return NULL;
}

struct inwork_request *
inwork_find_job(const struct inwork *inwork, const char *job)
{
	uint64_t hash = hash_table_hash(&inwork->jobs, 0, job, strlen(job));
	struct hash_link *link = hash_table_first(&inwork->jobs, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct inwork_request *request =
		    hash_table_item(link, struct inwork_request, job_link);
		if (strcmp(request->job, job) == 0)
			return request;
	}
	return NULL;
}

struct inwork_request *
inwork_find_id(const struct inwork *inwork, const struct inwork_client *client, const char *id)
{
	struct hash_link *link = hash_table_first(&inwork->ids, id_hash(inwork, client, id));
	for (; link != NULL; link = hash_table_next(link)) {
		struct inwork_request *request =
		    hash_table_item(link, struct inwork_request, id_link);
		if (request->client == client && strcmp(request->id, id) == 0)
			return request;
	}
	return NULL;
}
