/*
 * Values to JSON and back: what is expressed and how, what is refused and where, integers of any
 * size, objects that would run code if they were asked, and texts that are no JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/output_harness.h"
#include "worker/python_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (1u << 20)

static PyObject *globals; /* of the expressions, for the whole test */

static void
run(const char *source)
{
	PyObject *result = PyRun_String(source, Py_file_input, globals, globals);

	if (result == NULL)
		PyErr_Print();
	assert_non_null(result);
	Py_DECREF(result);
}

static PyObject *
eval(const char *source)
{
	PyObject *result = PyRun_String(source, Py_eval_input, globals, globals);

	if (result == NULL)
		PyErr_Print();
	assert_non_null(result);
	return result;
}

static int
start(void **state)
{
	(void)harness_start(state);
	globals = PyDict_New();
	assert_non_null(globals);
	run("import json, sys, collections, enum, random\n"
	    "called = []\n"
	    "class Evil:\n"
	    "  def __getattribute__(self, n): called.append(n); raise KeyboardInterrupt\n"
	    "  def __call__(self, *a): called.append('call')\n"
	    "def no(*a, **k): called.append('no'); raise KeyboardInterrupt\n"
	    "names = ['__iter__', '__str__', '__repr__', '__len__', '__getitem__', '__index__',\n"
	    "  '__int__', '__float__', '__bool__', '__eq__', '__getattribute__', 'items', 'keys',\n"
	    "  '__next__', '__format__', 'encode', '__trunc__', '__abs__', '__neg__']\n"
	    "def evil(t): return type('E' + t.__name__, (t,), {'__hash__': t.__hash__, **{n: no "
	    "for n in names}})\n"
	    "EL, ET, ED, ES, EI, EF = map(evil, (list, tuple, dict, str, int, float))\n"
	    "def nest(n, t=list):\n"
	    "  v = t()\n"
	    "  for i in range(n - 1): v = t([v])\n"
	    "  return v\n"
	    "def loop():\n"
	    "  a = []; b = {'x': (a,)}; a.append(b); return a\n"
	    "class Color(enum.IntEnum): RED = 3\n");
	return 0;
}

static void
expect_text(const char *expression, const char *wanted)
{
	struct value_writer writer;
	PyObject *value = eval(expression);

	python_value_writer_init(&writer, "value", MAX_BYTES);
	if (python_value_write(value, &writer) != PYTHON_VALUE_OK)
		fail_msg("%s: %s", expression, writer.reason);
	if (writer.size != strlen(wanted) || memcmp(writer.bytes, wanted, writer.size) != 0)
		fail_msg("%s: %.*s, wanted %s", expression, (int)writer.size, writer.bytes, wanted);
	assert_null(PyErr_Occurred());
	python_value_writer_deinit(&writer);
	Py_DECREF(value);
}

static void
test_written(void **state)
{
	static const char *const CASES[][2] = {
	    {"None", "null"},
	    {"[True, False]", "[true,false]"},
	    {"[0, -1, 7, -2**31, 2**30, 2**60, 2**63, -2**64, 10**18, 10**36]",
	     "[0,-1,7,-2147483648,1073741824,1152921504606846976,9223372036854775808,"
	     "-18446744073709551616,1000000000000000000,1000000000000000000000000000000000000]"},
	    {"[1.0, -0.0, 0.1, 1e16, 1e100, 5e-324, 1.7976931348623157e308, 123456.75]",
	     "[1.0,-0.0,0.1,1e+16,1e+100,5e-324,1.7976931348623157e+308,123456.75]"},
	    {"''", "\"\""},
	    {"'a\"b\\\\c\\b\\t\\n\\f\\r\\0\\x1f\\x7f/'",
	     "\"a\\\"b\\\\c\\b\\t\\n\\f\\r\\u0000\\u001f\x7f/\""},
	    {"'\\xe9\\u20ac\\U0001f600\\uffff'",
	     "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\""},
	    {"([], (), {}, [[]], (1,))", "[[],[],{},[[]],[1]]"},
	    {"{'a': 1, '': [None], 'x\\n': {'y': 2.5}}",
	     "{\"a\":1,\"\":[null],\"x\\n\":{\"y\":2.5}}"},
	    {"Color.RED", "3"},
	    {"collections.OrderedDict(a=1)", "{\"a\":1}"},
	    {"collections.namedtuple('P', 'x y')(1, 2)", "[1,2]"},
	    {"collections.Counter('aa')", "{\"a\":2}"},
	    {"[[1]] * 2", "[[1],[1]]"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_text(CASES[i][0], CASES[i][1]);
}

static void
test_no_code_of_the_value_runs(void **state)
{
	PyObject *called;

	expect_text("EL([ET([1, EI(-5)]), ES('s'), EF(2.5), ED({ES('k'): EL()})])",
		    "[[1,-5],\"s\",2.5,{\"k\":[]}]");
	called = eval("called");
	assert_int_equal(PyList_GET_SIZE(called), 0);
	Py_DECREF(called);
}

static void
expect_refused(const char *expression, const char *reason)
{
	struct value_writer writer;
	PyObject *value = eval(expression);

	python_value_writer_init(&writer, "value", MAX_BYTES);
	assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_REFUSED);
	assert_string_equal(writer.reason, reason);
	assert_int_equal(writer.size, 0);
	assert_null(PyErr_Occurred());
	python_value_writer_deinit(&writer);
	Py_DECREF(value);
}

static void
test_refused(void **state)
{
	static const char *const CASES[][2] = {
	    {"{'items': [0, 1, 2, {'x': {1}}]}",
	     "value.items[3].x: set cannot be expressed in JSON"},
	    {"b'x'", "value: bytes cannot be expressed in JSON"},
	    {"[1, float('nan')]", "value[1]: nan cannot be expressed in JSON"},
	    {"{'a': -float('inf')}", "value.a: inf cannot be expressed in JSON"},
	    {"Evil()", "value: Evil cannot be expressed in JSON"},
	    {"1j", "value: complex cannot be expressed in JSON"},
	    {"{1: 2}", "value: int key cannot be expressed in JSON"},
	    {"[{None: 2}]", "value[0]: NoneType key cannot be expressed in JSON"},
	    {"['\\ud800']", "value[0]: a lone surrogate cannot be expressed in JSON"},
	    {"{'\\udfff': 1}", "value[\"?\"]: a lone surrogate cannot be expressed in JSON"},
	    {"{'a b': {'': ()}, 'x' * 40: [set()]}",
	     "value[\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"][0]: set cannot be expressed in "
	     "JSON"},
	    {"loop()", "value[0].x[0]: list contains itself"},
	    {"type('a\\nb\\x1b\\xe9' + 'n' * 100, (), {})()",
	     "value: a?b???nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn cannot be "
	     "expressed in JSON"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_refused(CASES[i][0], CASES[i][1]);
}

static void
test_depth(void **state)
{
	struct value_writer writer;
	PyObject *deep = eval("[nest(n, t) for n in (32, 33) for t in (list, tuple)]");

	for (Py_ssize_t i = 0; i < 4; i++) {
		python_value_writer_init(&writer, "value", MAX_BYTES);
		assert_int_equal(python_value_write(PyList_GET_ITEM(deep, i), &writer),
				 i < 2 ? PYTHON_VALUE_OK : PYTHON_VALUE_REFUSED);
		if (i >= 2)
			assert_non_null(strstr(writer.reason, "nested too deep for JSON"));
		python_value_writer_deinit(&writer);
	}
	Py_DECREF(deep);
	deep = eval("nest(100000)");
	python_value_writer_init(&writer, "vars", MAX_BYTES);
	assert_int_equal(python_value_write(deep, &writer), PYTHON_VALUE_REFUSED);
	assert_memory_equal(writer.reason, "vars[0][0]", 10);
	python_value_writer_deinit(&writer);
	Py_DECREF(deep);
}

static void
test_size(void **state)
{
	static const char *const CASES[] = {"'x' * 98", "[1] * 49 + [12]", "10 ** 99", "'\\n' * 49",
					    "'\\u20ac' * 32 + 'xx'"};
	struct value_writer writer;

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		PyObject *value = eval(CASES[i]);
		size_t size;

		python_value_writer_init(&writer, "value", 1000);
		assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_OK);
		size = writer.size;
		assert_true(size >= 99 && size <= 102);
		python_value_writer_deinit(&writer);
		python_value_writer_init(&writer, "value", size);
		assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_OK);
		assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_TOO_LARGE);
		assert_int_equal(writer.size, size);
		python_value_writer_deinit(&writer);
		python_value_writer_init(&writer, "value", size - 1);
		assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_TOO_LARGE);
		assert_int_equal(writer.size, 0);
		python_value_writer_deinit(&writer);
		Py_DECREF(value);
	}
}

/* Read what was written: the same object again. */
static void
round_trip(PyObject *value)
{
	struct value_writer writer;
	PyObject *again;

	python_value_writer_init(&writer, "value", 16 * MAX_BYTES);
	assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_OK);
	again = python_value_parse(writer.bytes, writer.size);
	if (again == NULL)
		PyErr_Print();
	assert_non_null(again);
	assert_int_equal(PyObject_RichCompareBool(value, again, Py_EQ), 1);
	Py_DECREF(again);
	python_value_writer_deinit(&writer);
}

static void
test_big_integers(void **state)
{
	PyObject *numbers;

	run("random.seed(3)\n"
	    "numbers = []\n"
	    "for bits in list(range(1, 200)) + [1000, 2047, 14000, 14400, 40000, 100001]:\n"
	    "  for n in (2 ** bits, 2 ** bits - 1, random.getrandbits(bits)): numbers += [n, -n]\n"
	    "for k in list(range(1, 60)) + [511, 512, 513, 1024, 1025, 4300, 4301, 20000]:\n"
	    "  for n in (10 ** k, 10 ** k - 1, 10 ** k + 1): numbers += [n, -n]\n"
	    "sys.set_int_max_str_digits(640)\n");
	numbers = eval("numbers");
	round_trip(numbers);
	Py_DECREF(numbers);
	run("sys.set_int_max_str_digits(0)\n"
	    "texts = [str(n) for n in numbers]\n"
	    "sys.set_int_max_str_digits(4300)\n");
	numbers = eval("list(zip(numbers, texts))");
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(numbers); i++) {
		PyObject *pair = PyList_GET_ITEM(numbers, i);
		struct value_writer writer;
		Py_ssize_t size;
		const char *text = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(pair, 1), &size);

		python_value_writer_init(&writer, "value", (size_t)size);
		assert_int_equal(python_value_write(PyTuple_GET_ITEM(pair, 0), &writer),
				 PYTHON_VALUE_OK);
		assert_int_equal(writer.size, (size_t)size);
		assert_memory_equal(writer.bytes, text, (size_t)size);
		python_value_writer_deinit(&writer);
	}
	Py_DECREF(numbers);
}

/* Too many digits are refused from the size alone, not after working them out. */
static void
test_huge_integer_is_refused_at_once(void **state)
{
	PyObject *value = eval("1 << 300000000");
	struct value_writer writer;

	python_value_writer_init(&writer, "value", MAX_BYTES);
	assert_int_equal(python_value_write(value, &writer), PYTHON_VALUE_TOO_LARGE);
	python_value_writer_deinit(&writer);
	Py_DECREF(value);
}

static void
test_random_values(void **state)
{
	PyObject *values;

	run("random.seed(11)\n"
	    "def value(depth):\n"
	    "  k = random.randrange(10 if depth else 7)\n"
	    "  if k == 0: return random.choice([None, True, False])\n"
	    "  if k == 1: return random.randrange(-10 ** 20, 10 ** 20)\n"
	    "  if k == 2: return random.uniform(-1, 1) * 10 ** random.randrange(-300, 300)\n"
	    "  if k < 7: return text()\n"
	    "  if k == 7: return {text(): value(depth - 1) for i in range(random.randrange(6))}\n"
	    "  return [value(depth - 1) for i in range(random.randrange(6))]\n"
	    "def text():\n"
	    "  top = random.choice([128, 256, 0xd800, 0x110000])\n"
	    "  cs = (random.randrange(top) for i in range(random.randrange(30)))\n"
	    "  return ''.join(chr(c) for c in cs if not 0xd800 <= c < 0xe000)\n"
	    "values = [value(6) for i in range(2000)]\n");
	values = eval("values");
	round_trip(values);
	/* And the json module's texts, escapes and all. */
	Py_DECREF(values);
	values = eval("[(v, json.dumps(v, indent=1).encode()) for v in values]");
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++) {
		PyObject *pair = PyList_GET_ITEM(values, i);
		PyObject *text = PyTuple_GET_ITEM(pair, 1), *again;

		again = python_value_parse(PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text));
		assert_non_null(again);
		assert_int_equal(PyObject_RichCompareBool(PyTuple_GET_ITEM(pair, 0), again, Py_EQ),
				 1);
		Py_DECREF(again);
	}
	Py_DECREF(values);
}

static void
expect_parsed(const char *json, size_t size, const char *expression)
{
	/* A copy without a byte behind it, for the sanitizer. */
	char *copy = malloc(size ? size : 1);
	PyObject *got, *wanted, *same;

	assert_non_null(copy);
	memcpy(copy, json, size);
	got = python_value_parse(copy, size);
	free(copy);
	if (got == NULL)
		PyErr_Print();
	assert_non_null(got);
	wanted = eval(expression);
	same = PyObject_Repr(got);
	Py_SETREF(got, PyObject_Repr(wanted));
	assert_int_equal(PyUnicode_Compare(got, same), 0);
	Py_DECREF(same);
	Py_DECREF(got);
	Py_DECREF(wanted);
}

static void
test_parsed(void **state)
{
	static const char *const CASES[][2] = {
	    {" null ", "None"},
	    {"[true,false]", "[True, False]"},
	    {"[0,-0,-1,1.0,-0.0,1e2,1E-2,0.5e+1]", "[0, 0, -1, 1.0, -0.0, 100.0, 0.01, 5.0]"},
	    {"123456789012345678901234567890", "123456789012345678901234567890"},
	    {"\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\\u0000\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	     "'A\\xe9\\u20ac\\U0001f600\\0\"\\\\/\\b\\f\\n\\r\\t'"},
	    {"\"\xc3\xa9\xf0\x9f\x98\x80\"", "'\\xe9\\U0001f600'"},
	    {"{}", "{}"},
	    {"[ ]", "[]"},
	    {"{ \"a\" : [ 1 , { \"b\" : null } ] , \"a\" : 2 }", "{'a': 2}"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_parsed(CASES[i][0], strlen(CASES[i][0]), CASES[i][1]);
}

static void
expect_no_json(const char *json, size_t size)
{
	char *copy = malloc(size ? size : 1);
	PyObject *got;

	assert_non_null(copy);
	memcpy(copy, json, size);
	got = python_value_parse(copy, size);
	free(copy);
	if (got)
		fail_msg("taken: %.*s", (int)size, json);
	assert_true(PyErr_ExceptionMatches(PyExc_ValueError));
	PyErr_Clear();
}

static void
test_not_json(void **state)
{
	/* clang-format off */
	static const char *const CASES[] = {
	    "", " ", "nul", "True", "[", "[1", "[1,", "[1,]", "[,]", "]", "{", "{\"a\"",
	    "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}", "\"",
	    "\"abc", "\"\\", "\"\\\"", "\"\\u", "\"\\u12\"", "\"\\ud800\"",
	    "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\x41\"", "\"\n\"", "\"\xff\"",
	    "\"\xed\xa0\x80\"", "01", "-", "-a", "1.", ".5", "1e", "1e+", "+1", "1 2",
	    "NaN", "Infinity", "1e999", "-1e999", "'a'", "[1 2]", "{\"a\" 1}",
	    "\"\\ud800\\u", "nullx", "0x10",
	};
	/* clang-format on */

	char deep[200];

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_no_json(CASES[i], strlen(CASES[i]));
	expect_no_json("\"a\0b\"", 5);
	expect_no_json("1\0", 2);
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	expect_no_json(deep, 200);
}

/* Every cut and many a broken byte of a good text: refused or taken, never read past. */
static void
test_broken_texts(void **state)
{
	static const char TEXT[] =
	    "{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\\n\",null,true],\"b\":{\"c\":false}}";
	size_t size = sizeof(TEXT) - 1;

	for (size_t i = 0; i < size; i++)
		expect_no_json(TEXT, i);
	srand(5);
	for (int round = 0; round < 20000; round++) {
		char *copy = malloc(size);
		PyObject *got;

		assert_non_null(copy);
		memcpy(copy, TEXT, size);
		copy[(size_t)rand() % size] = (char)rand();
		copy[(size_t)rand() % size] = TEXT[(size_t)rand() % size];
		got = python_value_parse(copy, size);
		assert_true((got == NULL) == (PyErr_Occurred() != NULL));
		PyErr_Clear();
		Py_XDECREF(got);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_written),
	    cmocka_unit_test(test_no_code_of_the_value_runs),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test(test_big_integers),
	    cmocka_unit_test(test_huge_integer_is_refused_at_once),
	    cmocka_unit_test(test_random_values),
	    cmocka_unit_test(test_parsed),
	    cmocka_unit_test(test_not_json),
	    cmocka_unit_test(test_broken_texts),
	};

	return cmocka_run_group_tests_name("values", tests, start, harness_end);
}
