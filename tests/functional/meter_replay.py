"""What a program must be charged, from a tracer's events: an independent reference for programs that raise.

The tracer is sys.settrace's, in Python, on plain code. Where charges stand is read off the metered code; what
is charged follows from the events alone: a charge is paid when the instruction behind it is executed. On the
way every frame is held to the rules: what it has executed was paid before, a suspension and a return leave
nothing prepaid, and only an exception that leaves a block may.
"""
import json
import os

import meter_driver
import meter_stdlib
import meter_verify

TRACER = """\
import gc, json, sys
text, tables, path = %r, %r, %r
codes, faults = [], []
prepaid, last = {}, {}
events = charged = lost = 0
def walk(code):
    codes.append(code)
    for constant in code.co_consts:
        if hasattr(constant, 'co_code'): walk(constant)
program = compile(text, 'main.py', 'exec')
walk(program)
tables = {id(code): table for code, table in zip(codes, tables, strict=True)}
def note(frame, event, _):
    global events, charged, lost
    key, at = id(frame), frame.f_lasti
    table = tables.get(id(frame.f_code))
    if table is None:
        return None
    charges, handlers, pushes, leaves = table
    if event == 'call':
        frame.f_trace_opcodes = True
        prepaid[key], last[key] = 0, None
    elif event == 'opcode':
        if at in handlers:
            lost += prepaid[key]
            prepaid[key] = 0
        charge = charges.get(at, 0)
        events += 1
        charged += charge
        prepaid[key] += charge - 1
        if prepaid[key] < (-1 if at in pushes else 0):
            faults.append('%%s executes %%d unpaid' %% (frame.f_code.co_qualname, at))
        last[key] = at
    elif event == 'return':
        if last[key] not in leaves:
            lost += prepaid[key]
        elif prepaid[key] != 0:
            faults.append('%%s leaves %%d prepaid at %%d' %% (frame.f_code.co_qualname, prepaid[key], at))
    return note
gc.disable()
space = {'__name__': '__main__', '__builtins__': __builtins__, '__annotations__': {}}
sys.settrace(note)
try:
    exec(program, space)
except BaseException:
    sys.settrace(None)
sys.settrace(None)
with open(path, 'w') as file:
    json.dump([events, charged, lost, faults[:5]], file)
"""


def table(code, dump):
    """[{offset: charge}, handlers, PUSH_EXC_INFOs, ways out] of one code object, by plain offsets."""
    plain, metered = meter_verify.decode(code.co_code), meter_verify.decode(dump["code"])
    paid, where = meter_verify.split(plain, metered, len(code.co_consts), dump["charges"])
    offsets = [2 * ins[0] for ins in plain]  # of an EXTENDED_ARG: there the tracer sees the instruction
    return [
        {offset: paid[at - 2] for offset, at in zip(offsets, where) if at - 2 in paid},
        {2 * region[2] for region in meter_verify.regions(code.co_exceptiontable)},
        {o for o, ins in zip(offsets, plain) if ins[1] == meter_verify.PUSH_EXC},
        {o for o, ins in zip(offsets, plain)
         if ins[1] in (meter_verify.YIELD, meter_verify.OP["RETURN_VALUE"])},
    ]


def tables(code, dump):
    found = [table(code, dump)]
    nested = [c for c in code.co_consts if hasattr(c, "co_code")]
    for inner, inner_dump in zip(nested, dump["nested"], strict=True):
        found += tables(inner, inner_dump)
    return found


def replay(runner, directory, text):
    """(events, charged, lost by exceptions, faults) of a program whose Python code is all its own."""
    source, out = os.path.join(directory, "replayed.py"), os.path.join(directory, "replay")
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    runner.run(meter_stdlib.DUMP % (out, [source]), meter_driver.METERED)
    [(_, dump)] = meter_stdlib.records(out)
    os.unlink(out)
    found = tables(compile(text, "main.py", "exec", dont_inherit=True), dump)
    runner.run(TRACER % (text, found, out), meter_driver.PLAIN)
    with open(out, encoding="ascii") as file:
        answer = json.load(file)
    os.unlink(out)
    return answer
