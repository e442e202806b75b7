/*
 * Finds what metering put into a code object (a LOAD_CONST of a charge and its FOR_ITER to what is
 * behind it) and where each remaining instruction would stand without it. Jumps get shorter by
 * that, so their EXTENDED_ARG prefixes are counted anew: the fewest that the distance needs, as the
 * compiler makes them. Called by trace_run.c once for each code object that a traced job runs.
 * Reads only code that the interpreter runs already; a code text that makes no sense gives a map
 * that makes none, and nothing else.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_tables.h"
#include "worker/trace_map.h"
#include "worker/trace_opcode.h"

#define MAP_ROUNDS_MAX 16 /* prefixes only grow, by one at least for a round to be needed */

/* An instruction that stays. */
struct map_item {
	struct trace_step step;
	uint32_t prefixes, target; /* target: a unit */
	uint32_t at;               /* new first unit */
	bool jumps;
};

void
trace_map_step(const uint8_t *code, uint32_t units, uint32_t unit, struct trace_step *ret_step)
{
	uint32_t arg = 0, at = unit;
	uint8_t opcode;

	do {
		opcode = _PyOpcode_Deopt[code[2 * at]];
		arg = arg << 8 | code[2 * at + 1];
		at++;
	} while (opcode == EXTENDED_ARG && at < units);
	*ret_step = (struct trace_step){unit, at + _PyOpcode_Caches[opcode], arg, opcode};
}

static uint32_t
map_prefixes(uint32_t arg)
{
	return arg > 0xffffff ? 3 : arg > 0xffff ? 2 : arg > 0xff ? 1 : 0;
}

/* Whether the instruction loads a charge; its FOR_ITER follows. */
static bool
map_is_charge(const uint8_t *code, uint32_t units, PyObject *constants,
	      const struct trace_step *step, bool (*is_charge)(PyObject *))
{
	return step->opcode == LOAD_CONST && step->arg < (uint32_t)PyTuple_GET_SIZE(constants) &&
	       step->next < units && _PyOpcode_Deopt[code[2 * step->next]] == FOR_ITER &&
	       code[2 * step->next + 1] == 0 && is_charge(PyTuple_GET_ITEM(constants, step->arg));
}

/* All instructions that stay, in order; the units of the others are marked as hidden. */
static uint32_t
map_take(PyCodeObject *code, const uint8_t *text, struct trace_map *map, struct map_item *items,
	 bool (*is_charge)(PyObject *))
{
	uint32_t count = 0, unit = 0;

	while (unit < map->units) {
		struct trace_step step;
		trace_map_step(text, map->units, unit, &step);
		if (map_is_charge(text, map->units, code->co_consts, &step, is_charge)) {
			unit = step.next + 1;
			continue;
		}
		enum trace_argument kind = trace_opcode_argument(step.opcode);
		bool back = kind == TRACE_ARGUMENT_JUMP_BACK;
		items[count++] = (struct map_item){
		    .step = step,
		    .jumps = back || kind == TRACE_ARGUMENT_JUMP,
		    .target = back ? step.next - step.arg : step.next + step.arg,
		    .prefixes = back || kind == TRACE_ARGUMENT_JUMP
				    ? 0
				    : step.next - step.unit - 1 - _PyOpcode_Caches[step.opcode],
		};
		unit = step.next;
	}
	return count;
}

/* One round: where everything stands with the prefixes of now. */
static void
map_settle(struct trace_map *map, struct map_item *items, uint32_t count)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < count; i++) {
		items[i].at = at;
		map->offsets[items[i].step.unit] = 2 * at;
		at += items[i].prefixes + 1 + _PyOpcode_Caches[items[i].step.opcode];
	}
}

/* Whether a jump needs more prefixes than it has; it has them then. */
static bool
map_grow(const struct trace_map *map, struct map_item *items, uint32_t count)
{
	bool grown = false;

	for (uint32_t i = 0; i < count; i++) {
		struct map_item *item = &items[i];
		if (!item->jumps || item->target >= map->units)
			continue;
		uint32_t to = trace_map_target(map, item->target) / 2;
		uint32_t next = item->at + item->prefixes + 1 + _PyOpcode_Caches[item->step.opcode];
		uint32_t need = map_prefixes(to > next ? to - next : next - to);
		if (need > item->prefixes) {
			item->prefixes = need;
			grown = true;
		}
	}
	return grown;
}

uint32_t
trace_map_target(const struct trace_map *map, uint32_t unit)
{
	while (unit < map->units && map->offsets[unit] == TRACE_MAP_HIDDEN)
		unit++;
	return unit < map->units ? map->offsets[unit] : TRACE_MAP_HIDDEN;
}

struct trace_map *
trace_map_new(PyCodeObject *code, bool (*is_charge)(PyObject *constant))
{
	uint32_t units = (uint32_t)Py_SIZE(code);
	const uint8_t *text = (const uint8_t *)code->co_code_adaptive;
	struct trace_map *map =
	    PyMem_RawMalloc(sizeof(*map) + (size_t)units * sizeof(map->offsets[0]));
	struct map_item *items = PyMem_RawMalloc((units + 1) * sizeof(items[0]));

	if (map == NULL || items == NULL) {
		PyMem_RawFree(map);
		PyMem_RawFree(items);
		return NULL;
	}
	map->units = units;
	for (uint32_t unit = 0; unit < units; unit++)
		map->offsets[unit] = TRACE_MAP_HIDDEN;
	uint32_t count = map_take(code, text, map, items, is_charge);
	for (int round = 0; round < MAP_ROUNDS_MAX; round++) {
		map_settle(map, items, count);
		if (!map_grow(map, items, count))
			break;
	}
	PyMem_RawFree(items);
	return map;
}
