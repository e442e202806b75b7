"""For the other programs: every event of sys.settrace and sys.setprofile, as text."""
import gc
import sys

# When it comes depends on all that was allocated since the start, and finalisers are events.
gc.disable()


def short(value):
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[0], type):
        return "%s(%s)" % (value[0].__name__, value[1])
    if isinstance(value, int) and abs(value) > 1 << 31:
        return "hash"  # of an object with an address
    return value if isinstance(value, (int, str, type(None))) else type(value).__name__


def traced(function, *args, only=None, keep=None):
    """Runs it; lines of events of code in files whose name ends in `only`."""
    found = []

    def note(frame, event, arg):
        code = frame.f_code
        if only and not code.co_filename.endswith(only):
            return None
        back = frame.f_back.f_lineno if event == "call" and frame.f_back else ""
        found.append("%s %s %s %s %s" % (event, code.co_qualname, frame.f_lineno - keep if keep else frame.f_lineno,
                                         short(arg) if event != "call" else "", back))
        return note

    sys.settrace(note)
    try:
        function(*args)
    except BaseException as e:
        sys.settrace(None)
        found.append("left by %r" % e)
    sys.settrace(None)
    return found


def profiled(function, *args):
    found = []

    def note(frame, event, arg):
        name = getattr(arg, "__qualname__", short(arg)) if event.startswith("c_") else short(arg)
        found.append("%s %s %s %s" % (event, frame.f_code.co_qualname, frame.f_lineno, name))

    sys.setprofile(note)
    try:
        function(*args)
    except BaseException as e:
        sys.setprofile(None)
        found.append("left by %r" % e)
    sys.setprofile(None)
    return found
