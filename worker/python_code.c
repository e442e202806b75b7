/*
 * Reads a .pyc: checks its magic number, unmarshals. marshal and the interpreter trust byte code,
 * so a forged one can crash or take over this worker; it is the tenant's own, and the sandbox holds
 * it. Called by python_run.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_code.h"

#include <marshal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CODE_HEADER_BYTES 16 /* magic, flags, and two words of time and size or hash */

/* First magic number of each version; a version's own go up to the next one's. */
static const struct {
	uint16_t magic;
	const char *version;
} CODE_VERSIONS[] = {
    {3000, "3.0"},  {3141, "3.1"},  {3160, "3.2"},  {3190, "3.3"},  {3250, "3.4"},
    {3320, "3.5"},  {3360, "3.6"},  {3390, "3.7"},  {3400, "3.8"},  {3420, "3.9"},
    {3430, "3.10"}, {3450, "3.11"}, {3500, "3.12"}, {3550, "3.13"}, {3600, "3.14"},
    {3650, NULL},   {62041, "2.5"}, {62151, "2.6"}, {62171, "2.7"}, {62300, NULL},
};

static const char *
code_version(uint16_t magic)
{
	const char *version = NULL;

	for (size_t i = 0; i < sizeof(CODE_VERSIONS) / sizeof(CODE_VERSIONS[0]); i++)
		if (magic >= CODE_VERSIONS[i].magic)
			version = CODE_VERSIONS[i].version;
	return version;
}

static int
code_check_magic(struct job_text pyc, char *ret_why, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)pyc.bytes;
	const char *version = NULL;
	uint32_t magic = 0;

	if (pyc.size >= 4)
		magic = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
			(uint32_t)bytes[3] << 24;
	if (magic == (uint32_t)PyImport_GetMagicNumber())
		return 0;
	if (magic >> 16 == 0x0a0d)
		version = code_version((uint16_t)magic);
	if (version != NULL)
		(void)snprintf(ret_why, size, "the byte code is of Python %s, this is Python %s",
			       version, PY_VERSION);
	else
		(void)snprintf(ret_why, size, "this is not byte code of Python %s", PY_VERSION);
	return -1;
}

PyObject *
python_code_load(struct job_text pyc, char *ret_why, size_t size)
{
	PyObject *code;

	if (code_check_magic(pyc, ret_why, size) < 0)
		return NULL;
	if (pyc.size < CODE_HEADER_BYTES) {
		(void)snprintf(ret_why, size, "the byte code is cut off in its header");
		return NULL;
	}
	code = PyMarshal_ReadObjectFromString(pyc.bytes + CODE_HEADER_BYTES,
					      (Py_ssize_t)(pyc.size - CODE_HEADER_BYTES));
	if (code != NULL && PyCode_Check(code))
		return code;
	PyErr_Clear();
	Py_XDECREF(code);
	(void)snprintf(ret_why, size, "the byte code is damaged: it holds no code object");
	return NULL;
}
