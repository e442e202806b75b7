"""Lines, traced and profiled; line tables; frames."""
import dis
import sys

import event_log
import shapes

for function, *args in shapes.QUIET + [(shapes.run_async,)]:
    print("##", function.__name__, args)
    for line in event_log.traced(function, *args, only="shapes.py"):
        print(line)
for function, *args in shapes.QUIET:
    print("## profile", function.__name__, args)
    for line in event_log.profiled(function, *args):
        print(line)


def runs(values):
    return [v for i, v in enumerate(values) if not i or values[i - 1] != v]


def tables(code):
    print(code.co_qualname, code.co_firstlineno, runs([line for _, line in dis.findlinestarts(code)]),
          runs([line for _, _, line in code.co_lines()]), len(set(code.co_positions())),
          code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_nlocals, hex(code.co_flags),
          code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars)
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            tables(constant)


for function, *_ in shapes.QUIET:
    tables(function.__code__)


def where():
    frame, found = sys._getframe(), []
    while frame and frame.f_code.co_filename == __file__:
        found.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return found


print([
    where(),
    (lambda: where()
     )(),
    [where() for _ in
     range(1)],
])


def stepping():
    """A local trace function that is set and taken away while it runs."""
    seen = []

    def note(frame, event, arg):
        seen.append((event, frame.f_lineno))
        return note if len(seen) < 4 else None
    sys.settrace(lambda *a: None)
    sys._getframe().f_trace = note
    a = 1
    for b in range(4):
        a += b
    sys.settrace(None)
    return seen


print(stepping())
sys.stdout.flush()  # the metered one is not taken down at its end
