"""Traces a program with sys.settrace under plain python3, for test_trace.py to compare with.

Reads {"kind": ..., "source": ...} from standard input, writes a list of events: [line, offset, opname] for
opcodes, [file, line, function] for lines, [event, line, function] for calls.
"""
import json
import opcode
import sys


def opname(code, at):
    while code[at] == opcode.EXTENDED_ARG:
        at += 2
    return opcode.opname[code[at]]


def trace(kind, source):
    events = []

    def note(frame, event, _):
        frame.f_trace_opcodes = kind == "opcodes"
        code = frame.f_code
        if kind == "opcodes" and event == "opcode":
            events.append([frame.f_lineno, frame.f_lasti, opname(code.co_code, frame.f_lasti)])
        elif kind == "lines" and event == "line":
            events.append([code.co_filename, frame.f_lineno, code.co_qualname])
        elif kind == "calls" and event in ("call", "return", "exception"):
            events.append([event, code.co_qualname])
        return note

    space = {"__name__": "__main__", "__builtins__": __builtins__}
    code = compile(source, "main.py", "exec")
    sys.settrace(note)
    try:
        exec(code, space)
    except BaseException:
        pass
    space.clear()
    sys.settrace(None)
    return events


if __name__ == "__main__":
    request = json.load(sys.stdin)
    stdout, sys.stdout = sys.stdout, open("/dev/null", "w", encoding="utf-8")
    json.dump([trace(request["kind"], source) for source in request["sources"]], stdout)
