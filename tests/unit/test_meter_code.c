/*
 * Code objects taken apart, charged and put together: byte for byte the same without charges over
 * much of the standard library; with charges every position still found; and for hostile bytes,
 * which types.CodeType takes from anybody, an error or a whole result, never a crash.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/meter_blocks.h"
#include "worker/meter_code.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CONSTANT 300 /* needs an EXTENDED_ARG */

static const char *const MODULES[] = {
    "argparse",
    "ast",
    "asyncio.base_events",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "email.message",
    "enum",
    "functools",
    "inspect",
    "json",
    "logging",
    "pickle",
    "statistics",
    "tarfile",
    "textwrap",
    "traceback",
    "typing",
    "unittest.mock",
    "zipfile",
    "contextlib",
    "tokenize",
    "asyncio.streams",
};

/* Generators, handlers, with, match, loops: what has tables and jumps. */
static const char SMALL[] = "async def a(x):\n"
			    "    async with x as y:\n"
			    "        async for i in y: yield i\n"
			    "    await x\n"
			    "def g(n):\n"
			    "    try:\n"
			    "        for i in range(n):\n"
			    "            if i % 2 and n or not i: yield from g(i)\n"
			    "    except (ValueError, KeyError) as e:\n"
			    "        with n: return [j for j in e if j]\n"
			    "    finally:\n"
			    "        while n: n -= 1\n"
			    "    match n:\n"
			    "        case [1, *r] | {'a': r}: return r\n";

struct tables {
	const uint8_t *code, *regions, *locations;
	size_t code_bytes, region_bytes, location_bytes;
	PyObject *owned;
};

static struct tables
tables_of(PyCodeObject *code)
{
	struct tables tables = {.owned = PyCode_GetCode(code)};

	assert_non_null(tables.owned);
	tables.code = (uint8_t *)PyBytes_AS_STRING(tables.owned);
	tables.code_bytes = (size_t)PyBytes_GET_SIZE(tables.owned);
	tables.regions = (uint8_t *)PyBytes_AS_STRING(code->co_exceptiontable);
	tables.region_bytes = (size_t)PyBytes_GET_SIZE(code->co_exceptiontable);
	tables.locations = (uint8_t *)PyBytes_AS_STRING(code->co_linetable);
	tables.location_bytes = (size_t)PyBytes_GET_SIZE(code->co_linetable);
	return tables;
}

static int
take(const struct tables *tables, struct meter_code *ret_code)
{
	struct error err = ERROR_INIT;

	return meter_code_take(tables->code, tables->code_bytes, tables->regions,
			       tables->region_bytes, tables->locations, tables->location_bytes,
			       ret_code, &err);
}

static void
assert_same(const struct tables *tables)
{
	struct error err = ERROR_INIT;
	struct meter_code code;
	struct meter_bytes bytes;
	struct meter_insert *none;

	assert_int_equal(take(tables, &code), 0);
	none = calloc(code.count, sizeof(*none));
	assert_non_null(none);
	assert_int_equal(meter_code_make(&code, none, &bytes, &err), 0);
	assert_int_equal(bytes.code_bytes, tables->code_bytes);
	assert_memory_equal(bytes.code, tables->code, bytes.code_bytes);
	assert_int_equal(bytes.region_bytes, tables->region_bytes);
	assert_memory_equal(bytes.regions, tables->regions, bytes.region_bytes);
	assert_int_equal(bytes.location_bytes, tables->location_bytes);
	assert_memory_equal(bytes.locations, tables->locations, bytes.location_bytes);
	meter_bytes_deinit(&bytes);
	meter_code_deinit(&code);
	free(none);
}

/* Charge as meter_rewrite does; false when the code is refused. */
static bool
charge(const struct tables *tables, struct meter_bytes *ret_bytes, struct meter_code *ret_code)
{
	struct error err = ERROR_INIT;
	struct meter_blocks blocks;
	struct meter_insert *inserts;
	bool made = false;

	if (take(tables, ret_code) < 0)
		return false;
	if (meter_blocks_find(ret_code, &blocks, &err) == 0) {
		inserts = calloc(ret_code->count, sizeof(*inserts));
		assert_non_null(inserts);
		for (size_t b = 0; b < blocks.count; b++)
			if (blocks.blocks[b].charge > 0)
				inserts[blocks.site[b]] = (struct meter_insert){CONSTANT, true};
		made = meter_code_make(ret_code, inserts, ret_bytes, &err) == 0;
		meter_blocks_deinit(&blocks);
		free(inserts);
	}
	if (!made)
		meter_code_deinit(ret_code);
	return made;
}

/* The charged form taken apart again: same instructions in the same order, jumps to the same ones,
 * each or what was put in before it, and the same regions. */
static void
assert_charged(const struct tables *tables)
{
	struct meter_bytes bytes;
	struct meter_code before, after;
	size_t at = 0;
	struct tables made = {0};
	uint32_t *where;

	assert_true(charge(tables, &bytes, &before));
	made.code = bytes.code;
	made.code_bytes = bytes.code_bytes;
	made.regions = bytes.regions;
	made.region_bytes = bytes.region_bytes;
	made.locations = bytes.locations;
	made.location_bytes = bytes.location_bytes;
	assert_int_equal(take(&made, &after), 0);
	assert_int_equal(after.region_count, before.region_count);
	where = calloc(before.count, sizeof(*where));
	assert_non_null(where);
	for (size_t i = 0; i < before.count; i++) {
		while (after.instructions[at].offset < bytes.starts[i])
			at++;
		assert_int_equal(after.instructions[at].opcode, before.instructions[i].opcode);
		where[i] = (uint32_t)at++;
	}
	for (size_t i = 0; i < before.count; i++) {
		uint32_t to = before.instructions[i].target;

		if (to == METER_NO_TARGET)
			assert_int_equal(after.instructions[where[i]].arg,
					 before.instructions[i].arg);
		else
			assert_true(after.instructions[where[i]].target == where[to] ||
				    after.instructions[where[i]].target + 2 == where[to]);
	}
	free(where);
	meter_code_deinit(&after);
	meter_code_deinit(&before);
	meter_bytes_deinit(&bytes);
}

static size_t
each_code(PyObject *object, void (*visit)(const struct tables *))
{
	PyCodeObject *code = (PyCodeObject *)(void *)object;
	struct tables tables = tables_of(code);
	size_t count = 1;

	visit(&tables);
	Py_DECREF(tables.owned);
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++)
		if (PyCode_Check(PyTuple_GET_ITEM(code->co_consts, i)))
			count += each_code(PyTuple_GET_ITEM(code->co_consts, i), visit);
	return count;
}

static PyObject *
module_code(const char *name)
{
	PyObject *util = PyImport_ImportModule("importlib.util"), *spec, *loader, *code;

	spec = PyObject_CallMethod(util, "find_spec", "s", name);
	loader = spec != NULL ? PyObject_GetAttrString(spec, "loader") : NULL;
	code = loader != NULL ? PyObject_CallMethod(loader, "get_code", "s", name) : NULL;
	assert_non_null(code);
	Py_DECREF(loader);
	Py_DECREF(spec);
	Py_DECREF(util);
	return code;
}

static void
the_library_comes_back(void **state)
{
	size_t count = 0;

	for (size_t i = 0; i < sizeof(MODULES) / sizeof(MODULES[0]); i++) {
		PyObject *code = module_code(MODULES[i]);

		count += each_code(code, assert_same);
		each_code(code, assert_charged);
		Py_DECREF(code);
	}
	assert_true(count > 3000);
}

/* Refused, or whole. */
static void
try_hostile(const struct tables *tables)
{
	struct meter_bytes bytes;
	struct meter_code code;

	if (!charge(tables, &bytes, &code))
		return;
	meter_code_deinit(&code);
	meter_bytes_deinit(&bytes);
}

/* A copy of exactly that size, so that a sanitizer sees a byte too far. */
static uint8_t *
copy_of(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	return copy;
}

static void
every_cut_and_flip(const struct tables *whole)
{
	const uint8_t *parts[] = {whole->code, whole->regions, whole->locations};
	size_t sizes[] = {whole->code_bytes, whole->region_bytes, whole->location_bytes};

	for (int part = 0; part < 3; part++) {
		for (size_t size = 0; size < sizes[part]; size++) {
			struct tables cut = *whole;
			uint8_t *copy = copy_of(parts[part], size);

			*(part == 0 ? &cut.code : part == 1 ? &cut.regions : &cut.locations) = copy;
			*(part == 0   ? &cut.code_bytes
			  : part == 1 ? &cut.region_bytes
				      : &cut.location_bytes) = size;
			try_hostile(&cut);
			free(copy);
		}
		for (size_t bit = 0; bit < 8 * sizes[part]; bit++) {
			struct tables flipped = *whole;
			uint8_t *copy = copy_of(parts[part], sizes[part]);

			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
			*(part == 0   ? &flipped.code
			  : part == 1 ? &flipped.regions
				      : &flipped.locations) = copy;
			try_hostile(&flipped);
			free(copy);
		}
	}
}

static void
hostile_bytes_are_refused_or_metered(void **state)
{
	PyObject *code = Py_CompileString(SMALL, "small", Py_file_input);

	assert_non_null(code);
	assert_true(each_code(code, every_cut_and_flip) >= 3);
	Py_DECREF(code);
}

static int
refused(const uint8_t *code, size_t size)
{
	struct tables tables = {.code = code, .code_bytes = size};
	struct meter_code parts;
	int rc = take(&tables, &parts);

	if (rc == 0)
		meter_code_deinit(&parts);
	return rc;
}

static void
what_no_compiler_makes(void **state)
{
	static const uint8_t ONE[] = {151};             /* half a unit */
	static const uint8_t OPEN[] = {151, 0, 9, 0};   /* runs off its end */
	static const uint8_t FAR[] = {110, 200, 83, 0}; /* a jump to nowhere */
	static const uint8_t EXTENDED[] = {144, 1};     /* a prefix of nothing */
	static const uint8_t GOOD[] = {151, 0, 100, 0, 83, 0};

	assert_int_equal(refused(ONE, 0), ERROR_INVALID);
	assert_int_equal(refused(ONE, sizeof(ONE)), ERROR_INVALID);
	assert_int_equal(refused(OPEN, sizeof(OPEN)), ERROR_INVALID);
	assert_int_equal(refused(FAR, sizeof(FAR)), ERROR_INVALID);
	assert_int_equal(refused(EXTENDED, sizeof(EXTENDED)), ERROR_INVALID);
	assert_int_equal(refused(GOOD, sizeof(GOOD)), 0);
}

/* Blocks of a function, and that the instructions of all blocks are the code's. */
static void
blocks_cover_the_code(void **state)
{
	struct error err = ERROR_INIT;
	PyObject *code = Py_CompileString(SMALL, "small", Py_file_input);
	struct tables tables;
	struct meter_code parts;
	struct meter_blocks blocks;

	assert_non_null(code);
	tables = tables_of((PyCodeObject *)(void *)code);
	assert_int_equal(take(&tables, &parts), 0);
	assert_int_equal(meter_blocks_find(&parts, &blocks, &err), 0);
	assert_int_equal(blocks.count, 1);  /* a module of two definitions */
	assert_int_equal(blocks.prefix, 1); /* its RESUME */
	assert_int_equal(blocks.blocks[0].charge, parts.count - 1);
	assert_int_equal(blocks.site[0], 1);
	meter_blocks_deinit(&blocks);
	meter_code_deinit(&parts);
	Py_DECREF(tables.owned);
	Py_DECREF(code);
}

static int
start(void **state)
{
	Py_InitializeEx(0);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_library_comes_back),
	    cmocka_unit_test(hostile_bytes_are_refused_or_metered),
	    cmocka_unit_test(what_no_compiler_makes),
	    cmocka_unit_test(blocks_cover_the_code),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
