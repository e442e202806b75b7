/*
 * Decimal digits of integers of any size.
 *
 * CPython's own conversions refuse more digits than sys.set_int_max_str_digits allows, which is a
 * setting of the tenant's; a value's integers have no such limit here, only the size of the text.
 * Reading halves the digits and joins the halves with CPython's multiplication, which is faster
 * than quadratic; writing is quadratic, on the job's own CPU time. int's methods are taken from
 * exact ints that were made here, so nothing of the tenant's is run. Called by python_value_parse.c
 * and python_value_write.c.
 */
#include "worker/python_value_digits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The lowest limit that sys.set_int_max_str_digits takes is 640. */
#define LEAF_DIGITS 512
#define LIMB_DIGITS 18
#define LIMB        1000000000000000000ull /* ten to the LIMB_DIGITS */

static PyObject *
parse_leaf(const char *digits, size_t count)
{
	char text[LEAF_DIGITS + 1];

	memcpy(text, digits, count);
	text[count] = '\0';
	return PyLong_FromString(text, NULL, 10);
}

/* a * b + c; takes the references; any may be NULL. */
static PyObject *
multiply_add(PyObject *a, PyObject *b, PyObject *c)
{
	PyObject *product = a && b ? PyNumber_Multiply(a, b) : NULL;
	PyObject *sum = product && c ? PyNumber_Add(product, c) : NULL;

	Py_XDECREF(product);
	Py_XDECREF(a);
	Py_XDECREF(b);
	Py_XDECREF(c);
	return sum;
}

static PyObject *
ten_to(size_t exponent)
{
	PyObject *ten = PyLong_FromLong(10), *power = PyLong_FromSize_t(exponent), *result = NULL;

	if (ten && power)
		result = PyNumber_Power(ten, power, Py_None);
	Py_XDECREF(ten);
	Py_XDECREF(power);
	return result;
}

/* Depth is the logarithm of the count. */
static PyObject *
parse_digits(const char *digits, size_t count)
{
	size_t low = count / 2;
	PyObject *a, *b, *c;

	if (count <= LEAF_DIGITS)
		return parse_leaf(digits, count);
	a = parse_digits(digits, count - low);
	b = a ? ten_to(low) : NULL;
	c = b ? parse_digits(digits + count - low, low) : NULL;
	return multiply_add(a, b, c);
}

PyObject *
python_value_digits_parse(const char *digits, size_t count, int negative)
{
	PyObject *value = parse_digits(digits, count), *result;

	if (value == NULL || !negative)
		return value;
	result = PyNumber_Negative(value);
	Py_DECREF(value);
	return result;
}

static size_t
digit_count(PyObject *integer)
{
	Py_ssize_t size = Py_SIZE(integer);

	return (size_t)(size < 0 ? -size : size);
}

/* log10(2) is between 0.301029 and 0.301030. */
size_t
python_value_digits_max(PyObject *integer)
{
	size_t bits = digit_count(integer) * PyLong_SHIFT;

	return bits / 1000000 * 301030 + bits % 1000000 * 301030 / 1000000 + 4;
}

size_t
python_value_digits_min(PyObject *integer)
{
	size_t size = digit_count(integer), bits;

	if (size <= 1)
		return 1;
	bits = (size - 1) * PyLong_SHIFT;
	return bits / 1000000 * 301029 + bits % 1000000 * 301029 / 1000000 + 1;
}

/* Limbs of base LIMB, lowest first, from the integer's digits of base 2^30. */
static size_t
to_limbs(PyObject *integer, uint64_t *limbs)
{
	const digit *digits = ((PyLongObject *)integer)->ob_digit;
	size_t count = 0, i = digit_count(integer);

	while (i > 0) {
		/* Two digits at a time: half the passes. An odd one comes first, alone. */
		unsigned pair = i % 2 == 0 ? 2 : 1;
		uint64_t carry = digits[i - 1];

		if (pair == 2)
			carry = carry << PyLong_SHIFT | digits[i - 2];
		i -= pair;
		for (size_t j = 0; j < count; j++) {
			unsigned __int128 v =
			    ((unsigned __int128)limbs[j] << (pair * PyLong_SHIFT)) + carry;

			carry = (uint64_t)(v / LIMB);
			limbs[j] = (uint64_t)v - carry * LIMB;
		}
		while (carry > 0) {
			limbs[count++] = carry % LIMB;
			carry /= LIMB;
		}
	}
	return count;
}

static size_t
limb_text(uint64_t limb, unsigned width, char *ret_text)
{
	char digits[24];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + limb % 10);
		limb /= 10;
	} while (limb > 0 || count < width);
	for (size_t i = 0; i < count; i++)
		ret_text[i] = digits[count - 1 - i];
	return count;
}

size_t
python_value_digits_write(PyObject *integer, char *ret_text)
{
	size_t limb_max = python_value_digits_max(integer) / LIMB_DIGITS + 2, size = 0, count;
	uint64_t few[8], *limbs = few;

	if (limb_max > sizeof(few) / sizeof(few[0])) {
		limbs = PyMem_RawMalloc(limb_max * sizeof(*limbs));
		if (limbs == NULL)
			return 0;
	}
	count = to_limbs(integer, limbs);
	if (Py_SIZE(integer) < 0)
		ret_text[size++] = '-';
	if (count == 0)
		ret_text[size++] = '0';
	for (size_t i = count; i > 0; i--)
		size += limb_text(limbs[i - 1], i == count ? 1 : LIMB_DIGITS, ret_text + size);
	if (limbs != few)
		PyMem_RawFree(limbs);
	return size;
}
