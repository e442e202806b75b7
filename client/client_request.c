/*
 * Makes request lines from options and files.
 *
 * Called by client_run.c and client_status.c. Texts are encoded by jansson; JSON that the user
 * gives is checked for its form and put in as it is, so that numbers keep every digit. Whether the
 * daemon takes the parameters is the daemon's to say.
 */
#define _GNU_SOURCE
#include "client/client_request.h"
#include "client/client_json.h"
#include "client/client_read.h"
#include "client/client_token.h"
#include "protocol/base_utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* `python3 -m`: the module that the warm interpreter finds under that name. */
#define CLIENT_REQUEST_RUN_MODULE                                                                  \
	"import runpy as _runpy\n_runpy.run_module(%s, run_name=\"__main__\", alter_sys=True)\n"

/* Write a JSON string; false when the bytes are not UTF-8. */
static bool
client_request_string(FILE *out, const char *bytes, size_t size)
{
	json_t *string;
	bool written;

	if (!base_utf8_valid(bytes, size))
		return false;
	string = json_stringn(bytes, size);
	if (string == NULL)
		return false;
	written = json_dumpf(string, out, JSON_ENCODE_ANY | JSON_COMPACT) == 0;
	json_decref(string);
	return written;
}

static int
client_request_text(FILE *out, const char *key, const char *text, struct error *err)
{
	if (text == NULL)
		return 0;
	(void)fprintf(out, ",\"%s\":", key);
	if (!client_request_string(out, text, strlen(text)))
		return error_set(err, ERROR_INVALID, "%s is not UTF-8", key);
	return 0;
}

static int
client_request_base64(FILE *out, const char *bytes, size_t size, struct error *err)
{
	char *text = client_json_base64(bytes, size);

	if (text == NULL)
		return error_set(err, ERROR_LIMIT, "out of memory");
	(void)fprintf(out, "\"%s\"", text);
	free(text);
	return 0;
}

static bool
client_request_is_pyc(const char *path)
{
	size_t length = strlen(path);

	return length > 4 && strcmp(path + length - 4, ".pyc") == 0;
}

/* Last component, as tracebacks show it. */
static const char *
client_request_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* `source` or `code`, and `name`, from a file. */
static int
client_request_file(FILE *out, const char *path, const char *name, struct error *err)
{
	bool from_stdin = strcmp(path, "-") == 0;
	char *bytes;
	size_t size;
	int code = client_read(path, &bytes, &size, err);

	if (code < 0)
		return code;
	if (client_request_is_pyc(path)) {
		(void)fputs("\"code\":", out);
		code = client_request_base64(out, bytes, size, err);
	} else {
		(void)fputs("\"source\":", out);
		if (!client_request_string(out, bytes, size))
			code = error_set(err, ERROR_INVALID,
					 "%s is not UTF-8: convert it, for example with iconv -f "
					 "latin1 -t utf-8",
					 path);
	}
	free(bytes);
	if (code == 0 && name == NULL)
		name = from_stdin ? "<stdin>" : client_request_base_name(path);
	return code < 0 ? code : client_request_text(out, "name", name, err);
}

/* -m: a file NAME.py or NAME/__main__.py below the working directory, else a library module. */
static int
client_request_module(FILE *out, const char *module, const char *name, struct error *err)
{
	char *path = NULL, *quoted = NULL, *source = NULL;
	json_t *string = json_string(module);
	int code = 0;

	if (string == NULL)
		return error_set(err, ERROR_INVALID, "-m: the module's name is not UTF-8");
	quoted = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	json_decref(string);
	for (int package = 0; package < 2; package++) {
		free(path);
		if (asprintf(&path, "%s%s", module, package ? ".__main__" : "") < 0)
			goto no_memory;
		for (char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot, '.'))
			*dot = '/';
		path = realloc(path, strlen(path) + 4);
		if (path == NULL)
			goto no_memory;
		strcat(path, ".py");
		if (access(path, R_OK) == 0) {
			code = client_request_file(out, path, name, err);
			goto done;
		}
	}
	if (quoted == NULL || asprintf(&source, CLIENT_REQUEST_RUN_MODULE, quoted) < 0)
		goto no_memory;
	(void)fputs("\"source\":", out);
	(void)client_request_string(out, source, strlen(source));
	code = client_request_text(out, "name", name != NULL ? name : "<module>", err);
	goto done;
no_memory:
	code = error_set(err, ERROR_LIMIT, "out of memory");
done:
	free(source);
	free(quoted);
	free(path);
	return code;
}

static int
client_request_source(FILE *out, const struct client_options *options, struct error *err)
{
	switch (options->kind) {
	case CLIENT_SOURCE_TEXT:
		(void)fputs("\"source\":", out);
		if (!client_request_string(out, options->source, strlen(options->source)))
			return error_set(err, ERROR_INVALID, "-c: the text is not UTF-8");
		return client_request_text(out, "name",
					   options->name != NULL ? options->name : "<string>", err);
	case CLIENT_SOURCE_MODULE:
		return client_request_module(out, options->source, options->name, err);
	case CLIENT_SOURCE_FILE:
	case CLIENT_SOURCE_NONE:
		break;
	}
	return client_request_file(out, options->source, options->name, err);
}

/* --stdin FILE, or our own standard input unless it is a terminal or gave the program. */
static int
client_request_stdin(FILE *out, const struct client_options *options, struct error *err)
{
	const char *path = options->stdin_path;
	bool source_is_stdin =
	    options->kind == CLIENT_SOURCE_FILE && strcmp(options->source, "-") == 0;
	char *bytes;
	size_t size;
	int code;

	if (options->no_stdin)
		return 0;
	if (path == NULL && (source_is_stdin || isatty(STDIN_FILENO) == 1))
		return 0;
	code = client_read(path != NULL ? path : "-", &bytes, &size, err);
	if (code < 0)
		return code;
	if (size > 0) {
		(void)fputs(",\"stdin\":", out);
		if (!client_request_string(out, bytes, size)) {
			(void)fputs("{\"base64\":", out);
			code = client_request_base64(out, bytes, size, err);
			(void)fputc('}', out);
		}
	}
	free(bytes);
	return code;
}

static int
client_request_strings(FILE *out, const char *key, const char *const *texts, size_t count,
		       struct error *err)
{
	if (count == 0)
		return 0;
	(void)fprintf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < count; i++) {
		(void)fputs(i > 0 ? "," : "", out);
		if (!client_request_string(out, texts[i], strlen(texts[i])))
			return error_set(err, ERROR_INVALID, "%s: number %zu is not UTF-8", key,
					 i + 1);
	}
	(void)fputc(']', out);
	return 0;
}

static int
client_request_key(FILE *out, const struct client_pair *pair, bool first, struct error *err)
{
	(void)fputs(first ? "" : ",", out);
	if (!client_request_string(out, pair->name, pair->name_length))
		return error_set(err, ERROR_INVALID, "a name on the command line is not UTF-8");
	(void)fputc(':', out);
	return 0;
}

static int
client_request_inputs(FILE *out, const struct client_options *options, struct error *err)
{
	if (options->input_count == 0)
		return 0;
	(void)fputs(",\"inputs\":{", out);
	for (size_t i = 0; i < options->input_count; i++) {
		const struct client_pair *pair = &options->inputs[i];
		int code = client_request_key(out, pair, i == 0, err);

		if (code < 0)
			return code;
		if (!client_json_valid(pair->value, strlen(pair->value)) ||
		    strpbrk(pair->value, "\r\n") != NULL)
			return error_set(err, ERROR_INVALID,
					 "--input %.*s: '%s' is not JSON on one line; a text needs "
					 "its quotes: %.*s='\"text\"'",
					 (int)pair->name_length, pair->name, pair->value,
					 (int)pair->name_length, pair->name);
		(void)fputs(pair->value, out);
	}
	(void)fputc('}', out);
	return 0;
}

static int
client_request_modules(FILE *out, const struct client_options *options, struct error *err)
{
	if (options->module_count == 0)
		return 0;
	(void)fputs(",\"modules\":{", out);
	for (size_t i = 0; i < options->module_count; i++) {
		const struct client_pair *pair = &options->modules[i];
		int code = client_request_key(out, pair, i == 0, err);
		char *bytes;
		size_t size;

		if (code == 0)
			code = client_read(pair->value, &bytes, &size, err);
		if (code < 0)
			return code;
		if (!client_request_string(out, bytes, size))
			code = error_set(err, ERROR_INVALID, "%s is not UTF-8", pair->value);
		free(bytes);
		if (code < 0)
			return code;
	}
	(void)fputc('}', out);
	return 0;
}

static int
client_request_files(FILE *out, const struct client_options *options, struct error *err)
{
	const char *separator = ",\"files\":[";

	for (size_t i = 0; i < options->file_count; i++) {
		const struct client_pair *pair = &options->files[i];
		char *bytes;
		size_t size;
		int code;

		(void)fprintf(out, "%s{\"name\":", separator);
		separator = ",";
		if (!client_request_string(out, pair->name, pair->name_length))
			return error_set(err, ERROR_INVALID, "--file: a name is not UTF-8");
		code = client_read(pair->value, &bytes, &size, err);
		if (code < 0)
			return code;
		(void)fputs(",\"base64\":", out);
		code = client_request_base64(out, bytes, size, err);
		free(bytes);
		if (code < 0)
			return code;
		(void)fputc('}', out);
	}
	if (options->file_count > 0)
		(void)fputc(']', out);
	return 0;
}

static int
client_request_json(FILE *out, const char *option, const char *key, const char *text, char open,
		    struct error *err)
{
	if (text == NULL)
		return 0;
	if (text[0] != open || !client_json_valid(text, strlen(text)) ||
	    strpbrk(text, "\r\n") != NULL)
		return error_set(err, ERROR_INVALID, "%s takes a JSON %s on one line, not '%s'",
				 option, open == '[' ? "array" : "object", text);
	(void)fprintf(out, ",\"%s\":%s", key, text);
	return 0;
}

static int
client_request_entry(FILE *out, const struct client_options *options, struct error *err)
{
	int code;

	if (options->entry == NULL)
		return 0;
	(void)fputs(",\"entry\":{\"function\":", out);
	if (!client_request_string(out, options->entry, strlen(options->entry)))
		return error_set(err, ERROR_INVALID, "--entry: the name is not UTF-8");
	code = client_request_json(out, "--entry-args", "args", options->entry_args, '[', err);
	if (code == 0)
		code = client_request_json(out, "--entry-kwargs", "kwargs", options->entry_kwargs,
					   '{', err);
	(void)fputc('}', out);
	return code;
}

static void
client_request_limits(FILE *out, const struct client_options *options)
{
	const char *separator = ",\"limits\":{";

	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		if (!options->limit_given[i])
			continue;
		(void)fprintf(out, "%s\"%s\":%llu", separator, LIMITS[i].name,
			      (unsigned long long)limits_get(&options->limits, (enum limit_id)i));
		separator = ",";
	}
	if (separator[1] == '\0')
		(void)fputc('}', out);
}

/* For whom, as a gateway. */
static int
client_request_tenant(FILE *out, const struct client_options *options, struct error *err)
{
	int code = client_request_text(out, "tenant", options->tenant, err);

	return code < 0 ? code : client_request_text(out, "token", options->token, err);
}

static int
client_request_params(FILE *out, const struct client_options *options, struct error *err)
{
	int code = client_request_source(out, options, err);

	if (code == 0)
		code =
		    client_request_strings(out, "args", options->words, options->word_count, err);
	if (code == 0)
		code = client_request_stdin(out, options, err);
	if (code == 0)
		code = client_request_inputs(out, options, err);
	if (code == 0)
		code = client_request_strings(out, "outputs", options->outputs,
					      options->output_count, err);
	if (code == 0)
		code = client_request_modules(out, options, err);
	if (code == 0)
		code = client_request_files(out, options, err);
	if (code == 0)
		code = client_request_strings(out, "collect", options->collect,
					      options->collect_count, err);
	if (code == 0)
		code = client_request_entry(out, options, err);
	if (code == 0)
		code = client_request_tenant(out, options, err);
	if (code < 0)
		return code;
	client_request_limits(out, options);
	if (options->trace != NULL) {
		code = client_request_text(out, "trace", options->trace, err);
		if (code < 0)
			return code;
	}
	if (options->priority != 0)
		(void)fprintf(out, ",\"priority\":%d", options->priority);
	if (options->deadline_ms > 0)
		(void)fprintf(out, ",\"deadline_ms\":%" PRIu64, options->deadline_ms);
	(void)fputs(options->eval ? ",\"mode\":\"eval\"" : "", out);
	if (options->tag != NULL)
		code = client_request_text(out, "tag", options->tag, err);
	if (code == 0 && options->key != NULL)
		code = client_request_text(out, "idempotency_key", options->key, err);
	return code;
}

static int
client_request_line(const char *method, bool stream, const struct client_options *options,
		    char **ret_line, size_t *ret_size, struct error *err)
{
	char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);
	int code;

	if (out == NULL)
		return error_errno(err, "cannot make the request");
	(void)fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{", method);
	code = client_request_params(out, options, err);
	(void)fputs(stream ? ",\"stream\":true}}\n" : "}}\n", out);
	if (fclose(out) != 0 && code == 0)
		code = error_set(err, ERROR_LIMIT, "out of memory for the request");
	if (code < 0) {
		free(line);
		return code;
	}
	*ret_line = line;
	*ret_size = size;
	return 0;
}

int
client_request_run(const struct client_options *options, char **ret_line, size_t *ret_size,
		   struct error *err)
{
	return client_request_line("job.run", !options->json, options, ret_line, ret_size, err);
}

int
client_request_job(const char *method, const struct client_options *options, char **ret_line,
		   size_t *ret_size, struct error *err)
{
	return client_request_line(method, false, options, ret_line, ret_size, err);
}

int
client_request_simple(const char *method, const char *job, const struct client_options *options,
		      char **ret_line, size_t *ret_size, struct error *err)
{
	json_t *params = job != NULL ? json_pack("{s:s}", "job", job) : json_object();
	int code = params != NULL ? client_token_put(options, params, err) : 0;

	if (code < 0) {
		json_decref(params);
		return code;
	}
	json_t *request = json_pack("{s:s,s:i,s:s,s:o}", "jsonrpc", "2.0", "id", 1, "method",
				    method, "params", params);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	int length = text != NULL ? asprintf(ret_line, "%s\n", text) : -1;

	free(text);
	json_decref(request);
	if (length < 0)
		return error_set(err, ERROR_INVALID, "the job's id is not UTF-8");
	*ret_size = (size_t)length;
	return 0;
}
