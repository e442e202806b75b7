/*
 * Reads a job blob. Keeps no copy, touches no Python object, and trusts lengths only as far as
 * pack_next() has checked them. Called by python_run. Every failure is a defect of the sender.
 */
#include "worker/python_job.h"

#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#include <stdlib.h>
#include <string.h>

static int
job_module_source(struct python_job *job, struct job_text text, struct error *err)
{
	struct job_module *module =
	    job->module_count > 0 ? &job->modules[job->module_count - 1] : NULL;

	if (module == NULL || module->source.bytes != NULL)
		return error_set(err, ERROR_INVALID,
				 "job blob: a module's source without its name");
	module->source = text;
	return 0;
}

static int
job_file_bytes(struct python_job *job, struct job_text text, struct error *err)
{
	struct job_file *file = job->file_count > 0 ? &job->files[job->file_count - 1] : NULL;

	if (file == NULL || file->content.bytes != NULL)
		return error_set(err, ERROR_INVALID, "job blob: a file's content without its name");
	file->content = text;
	return 0;
}

/* Room for every repeated field was made by job_allocate(). */
static int
job_field(struct python_job *job, const struct pack_field *field, struct error *err)
{
	struct job_text text = {(const char *)field->bytes, field->length};

	switch (field->tag) {
	case JOB_SOURCE:
		job->source = text;
		return 0;
	case JOB_CODE:
		job->code = text;
		return 0;
	case JOB_COMPILED:
		job->compiled = text;
		return 0;
	case JOB_NAME:
		job->name = text;
		return 0;
	case JOB_MODE_EVAL:
		job->mode_eval = true;
		return 0;
	case JOB_TRACE:
		if (text.size != 1 || (uint8_t)text.bytes[0] >= TRACE_KIND_COUNT)
			return error_set(err, ERROR_INVALID, "job blob: not a kind of trace");
		job->trace = (uint8_t)text.bytes[0];
		return 0;
	case JOB_INPUTS:
		job->inputs = text;
		return 0;
	case JOB_ENTRY:
		job->entry = text;
		return 0;
	case JOB_ENTRY_ARGS:
		job->entry_args = text;
		return 0;
	case JOB_ENTRY_KWARGS:
		job->entry_kwargs = text;
		return 0;
	case JOB_ARG:
		job->args[job->arg_count++] = text;
		return 0;
	case JOB_OUTPUT:
		job->outputs[job->output_count++] = text;
		return 0;
	case JOB_MODULE_NAME:
		job->modules[job->module_count++].name = text;
		return 0;
	case JOB_MODULE_SOURCE:
		return job_module_source(job, text, err);
	case JOB_FILE_NAME:
		job->files[job->file_count++].name = text;
		return 0;
	case JOB_FILE_BYTES:
		return job_file_bytes(job, text, err);
	case JOB_COLLECT:
		job->collect[job->collect_count++] = text;
		return 0;
	default:
		return error_set(err, ERROR_INVALID, "job blob: unknown field %u", field->tag);
	}
}

static int
job_check(const struct python_job *job, struct error *err)
{
	if ((job->source.bytes == NULL) == (job->code.bytes == NULL))
		return error_set(err, ERROR_INVALID, "job blob: not one of source and code");
	if (job->compiled.bytes != NULL && job->source.bytes == NULL)
		return error_set(err, ERROR_INVALID, "job blob: compiled code without its source");
	for (size_t i = 0; i < job->module_count; i++) {
		const struct job_module *module = &job->modules[i];

		if (module->source.bytes == NULL || module->name.size == 0 ||
		    module->name.size > NAME_BYTES_MAX)
			return error_set(err, ERROR_INVALID, "job blob: module %zu is not whole",
					 i);
	}
	for (size_t i = 0; i < job->file_count; i++)
		if (job->files[i].content.bytes == NULL)
			return error_set(err, ERROR_INVALID, "job blob: file %zu is not whole", i);
	return 0;
}

/* A job with room for as many repeated fields as the blob has; untouched memory costs nothing. */
static int
job_allocate(const void *blob, size_t size, struct python_job **ret_job, struct error *err)
{
	size_t args = 0, outputs = 0, modules = 0, files = 0, collect = 0;
	struct pack_reader reader;
	struct pack_field field;
	struct python_job *job;
	int code;

	pack_reader_init(&reader, blob, size);
	while ((code = pack_next(&reader, &field, err)) > 0) {
		args += field.tag == JOB_ARG;
		outputs += field.tag == JOB_OUTPUT;
		modules += field.tag == JOB_MODULE_NAME;
		files += field.tag == JOB_FILE_NAME;
		collect += field.tag == JOB_COLLECT;
	}
	if (code < 0)
		return code;
	if (args > ARGS_MAX || outputs > OUTPUTS_MAX || modules > MODULES_MAX ||
	    files > FILES_MAX || collect > COLLECT_MAX)
		return error_set(err, ERROR_INVALID, "job blob: too many fields of one kind");
	job = calloc(1, sizeof(*job) + (args + outputs + collect) * sizeof(struct job_text) +
			    modules * sizeof(struct job_module) + files * sizeof(struct job_file));
	if (job == NULL)
		return error_errno(err, "job");
	job->modules = (struct job_module *)(void *)(job + 1);
	job->files = (struct job_file *)(void *)(job->modules + modules);
	job->args = (struct job_text *)(void *)(job->files + files);
	job->outputs = job->args + args;
	job->collect = job->outputs + outputs;
	*ret_job = job;
	return 0;
}

int
python_job_new(const void *blob, size_t size, struct python_job **ret_job, struct error *err)
{
	struct python_job *job = NULL;
	struct pack_reader reader;
	struct pack_field field;
	int code;

	code = job_allocate(blob, size, &job, err);
	if (code < 0)
		return code;
	pack_reader_init(&reader, blob, size);
	while ((code = pack_next(&reader, &field, err)) > 0) {
		code = job_field(job, &field, err);
		if (code < 0)
			break;
	}
	if (code == 0)
		code = job_check(job, err);
	if (code < 0) {
		python_job_free(&job);
		return code;
	}
	if (job->name.size == 0)
		job->name = (struct job_text){PYTHON_JOB_NAME, strlen(PYTHON_JOB_NAME)};
	*ret_job = job;
	return 0;
}

void
python_job_free(struct python_job **job)
{
	free(*job);
	*job = NULL;
}
