/*
 * Objects that were just read from bytes (marshal) and that nobody else has seen yet: code may be
 * anywhere in them.
 */
#ifndef STINT_WORKER_METER_FRESH_H
#define STINT_WORKER_METER_FRESH_H

#include <Python.h>

/*
 * Meter all code in `object`, whose reference is stolen: new reference to what takes its place, or
 * NULL with an exception. Tuples, lists and dict values are changed in place; code in a set or in
 * the key of a dict is a ValueError. NULL passes through.
 */
PyObject *meter_fresh(PyObject *object);

#endif
