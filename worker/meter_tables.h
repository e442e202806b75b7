/*
 * CPython 3.11's tables of its instructions, under names of ours: an interpreter that is linked in
 * has its own. Include it behind Python.h. meter_code.c defines them.
 */
#ifndef STINT_WORKER_METER_TABLES_H
#define STINT_WORKER_METER_TABLES_H

#define _PyOpcode_Caches meter_tables_caches
#define _PyOpcode_Deopt  meter_tables_deopt

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE
#endif
#include <internal/pycore_opcode.h>
#include <opcode.h>

#endif
