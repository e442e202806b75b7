/*
 * Composing events: see the header for what they look like.
 *
 * Looks into the interpreter's frame: its code, its instruction pointer and its value stack, which
 * is in memory and consistent at every trace event. Called by trace_run.c, in the interpreter, with
 * tracing switched off; runs no Python code. Each text is bounded, so that an event always fits its
 * line; if not, trace_text says so and the event is dropped by the caller.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>
#include <opcode.h>

#include "worker/trace_event.h"
#include "worker/trace_opcode.h"
#include "worker/trace_value.h"

#include <stdio.h>
#include <string.h>

#define EVENT_OPERANDS_MAX 8 /* shown; the rest is "..." */

static void
event_value(struct trace_text *text, const char *name, PyObject *object)
{
	struct trace_value value;

	trace_value_repr(object, &value);
	trace_text_member(text, name, value.text, value.size);
}

static void
event_name(struct trace_text *text, const char *name, PyObject *object)
{
	struct trace_value value;

	trace_value_name(object, &value);
	trace_text_member(text, name, value.text, value.size);
}

/* What all events begin with. */
static void
event_begin(const struct trace_place *place, const char *event, struct trace_text *text)
{
	PyCodeObject *code = place->frame->f_frame->f_code;
	int line = place->frame->f_lineno;

	/* A module begins at no line. */
	if (line <= 0 && trace_event_at(place->frame, &(uint32_t){0}) == RESUME)
		line = code->co_firstlineno;
	trace_text_init(text);
	trace_text_put(text, "{\"event\":\"");
	trace_text_put(text, event);
	trace_text_put(text, "\"");
	event_name(text, "file", code->co_filename);
	event_name(text, "function", code->co_qualname);
	trace_text_number(text, "line", line > 0 ? line : -1);
	if (place->thread > 0)
		trace_text_number(text, "thread", place->thread);
}

static void
event_end(struct trace_text *text)
{
	trace_text_put(text, "}\n");
}

static PyObject *
event_item(PyObject *tuple, uint32_t index)
{
	return index < (uint32_t)PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, index) : NULL;
}

static void
event_number(struct trace_text *text, const char *before, uint32_t number)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%s%u", before, number);
	trace_text_member(text, "arg", digits, strlen(digits));
}

static void
event_argument(PyCodeObject *code, const struct trace_step *step, const struct trace_map *map,
	       struct trace_text *text)
{
	enum trace_argument kind = trace_opcode_argument(step->opcode);
	const char *word;

	switch (kind) {
	case TRACE_ARGUMENT_NONE:
		break;
	case TRACE_ARGUMENT_NUMBER:
		event_number(text, "", step->arg);
		break;
	case TRACE_ARGUMENT_CONST:
		event_value(text, "arg", event_item(code->co_consts, step->arg));
		break;
	case TRACE_ARGUMENT_NAME:
		event_name(text, "arg", event_item(code->co_names, step->arg));
		break;
	case TRACE_ARGUMENT_GLOBAL:
		event_name(text, "arg", event_item(code->co_names, step->arg >> 1));
		break;
	case TRACE_ARGUMENT_LOCAL:
		event_name(text, "arg", event_item(code->co_localsplusnames, step->arg));
		break;
	case TRACE_ARGUMENT_JUMP:
		event_number(text, "to ", trace_map_target(map, step->next + step->arg));
		break;
	case TRACE_ARGUMENT_JUMP_BACK:
		event_number(text, "to ", trace_map_target(map, step->next - step->arg));
		break;
	default:
		word = trace_opcode_operator(kind, step->arg);
		word = word != NULL ? word : "?";
		trace_text_member(text, "arg", word, strlen(word));
		break;
	}
}

static void
event_operands(const _PyInterpreterFrame *frame, const struct trace_step *step,
	       struct trace_text *text)
{
	uint32_t count = trace_opcode_operands(step->opcode, step->arg), shown = 0;
	int depth = frame->stacktop - frame->f_code->co_nlocalsplus;

	if (count == 0 || depth < 0 || count > (uint32_t)depth)
		return;
	PyObject *const *values = &frame->localsplus[frame->stacktop - (int)count];
	trace_text_put(text, ",\"values\":[");
	for (uint32_t i = 0; i < count; i++) {
		struct trace_value value;
		if (values[i] == NULL)
			continue; /* a call's empty slot */
		trace_text_put(text, shown > 0 ? "," : "");
		if (shown++ == EVENT_OPERANDS_MAX) {
			trace_text_put(text, "\"...\"");
			break;
		}
		trace_value_repr(values[i], &value);
		trace_text_string(text, value.text, value.size);
	}
	trace_text_put(text, "]");
}

static void
event_step(const _PyInterpreterFrame *frame, struct trace_step *ret_step)
{
	PyCodeObject *code = frame->f_code;

	trace_map_step((const uint8_t *)code->co_code_adaptive, (uint32_t)Py_SIZE(code),
		       (uint32_t)(frame->prev_instr - (const _Py_CODEUNIT *)code->co_code_adaptive),
		       ret_step);
}

bool
trace_event_opcode(const struct trace_place *place, const struct trace_map *map,
		   struct trace_text *ret_text)
{
	_PyInterpreterFrame *frame = place->frame->f_frame;
	uint32_t unit = (uint32_t)_PyInterpreterFrame_LASTI(frame);
	struct trace_step step;

	if (unit >= map->units || map->offsets[unit] == TRACE_MAP_HIDDEN)
		return false;
	event_step(frame, &step);
	const char *name = trace_opcode_name(step.opcode);
	event_begin(place, "opcode", ret_text);
	trace_text_number(ret_text, "offset", map->offsets[unit]);
	name = name != NULL ? name : "?";
	trace_text_member(ret_text, "opname", name, strlen(name));
	event_argument(frame->f_code, &step, map, ret_text);
	event_operands(frame, &step, ret_text);
	event_end(ret_text);
	return true;
}

void
trace_event_line(const struct trace_place *place, struct trace_text *ret_text)
{
	event_begin(place, "line", ret_text);
	event_end(ret_text);
}

void
trace_event_call(const struct trace_place *place, const char *event, PyObject *value, bool raised,
		 struct trace_text *ret_text)
{
	event_begin(place, event, ret_text);
	trace_text_number(ret_text, "depth", place->depth);
	if (raised)
		trace_text_put(ret_text, ",\"raised\":true");
	else if (value != NULL)
		event_value(ret_text, "value", value);
	event_end(ret_text);
}

uint8_t
trace_event_at(PyFrameObject *frame, uint32_t *ret_arg)
{
	struct trace_step step;

	event_step(frame->f_frame, &step);
	*ret_arg = step.arg;
	return step.opcode;
}
