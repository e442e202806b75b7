/*
 * In stint-zygote-fault only: where a worker's set-up ends and its job's own code begins.
 */
#include "fault.h"

#include "worker/python_host.h"

int __real_python_host_run(const struct worker_terms *terms, struct worker_page *page,
			   void *page_base, void *code, const void *blob, size_t blob_bytes);
int __wrap_python_host_run(const struct worker_terms *terms, struct worker_page *page,
			   void *page_base, void *code, const void *blob, size_t blob_bytes);

int
__wrap_python_host_run(const struct worker_terms *terms, struct worker_page *page, void *page_base,
		       void *code, const void *blob, size_t blob_bytes)
{
	fault_job_begins();
	return __real_python_host_run(terms, page, page_base, code, blob, blob_bytes);
}
