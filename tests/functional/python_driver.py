"""Runs jobs on tests/unit/python_runner and the same programs on python3."""
import os
import struct
import subprocess
import tempfile

PYTHON = "/usr/bin/python3"
TAGS = dict(source=1, code=2, name=3, mode_eval=4, arg=5, inputs=6, output=7, entry=8, entry_args=9,
            entry_kwargs=10, module_name=11, module_source=12)
RESULT_TAGS = {1: "value", 2: "vars", 3: "type", 4: "message", 5: "file", 6: "line", 7: "function",
               8: "text", 9: "warning"}
REASONS = ["none", "compile_error", "exception", "exit", "memory_error", "recursion_error",
           "output_limit", "value_limit", "value_error", "opcode_limit"]
PHASE_ENDED = 4
THREADS = 8
REQUEST = struct.Struct("<IIQQQQQQQQ")
ANSWER = struct.Struct("<iIIIQQQQQQ")


class Result:
    """What one run left."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.reason = self.phase = None
        self.fields, self.frames = {}, []
        self.opcodes = 0
        self.median_us = self.p90_us = 0.0

    def same(self):
        """The part that python3 has too."""
        return self.code, self.out, self.err


def pack(fields):
    blob = b""
    for tag, value in fields:
        data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        blob += struct.pack("<II", TAGS[tag], len(data)) + data
    return blob


def unpack(blob, result):
    at = 0
    while at < len(blob):
        tag, size = struct.unpack_from("<II", blob, at)
        data = blob[at + 8:at + 8 + size]
        at += 8 + size
        name = RESULT_TAGS[tag]
        if name == "file":
            result.frames.append({})
        if name in ("file", "line", "function", "text"):
            result.frames[-1][name] = (struct.unpack("<I", data)[0] if name == "line"
                                       else data.decode())
        else:
            result.fields[name] = data.decode()
    assert at == len(blob)


class Runner:
    """One warm host; a context manager."""

    def __init__(self, program, preload=None, main_file=None):
        arguments = [program] + ([preload] if preload is not None else [])
        env = {**os.environ, **({"RUNNER_MAIN_FILE": main_file} if main_file else {})}
        self.process = subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise SystemExit("python_runner has ended: %r" % self.process.wait())
        return data

    def run(self, source=None, *, stdin=b"", flags=0, repeat=1, call_depth=1000,
            value_bytes=1 << 20, stdout_bytes=1 << 20, data_bytes=0, opcodes=0, opcodes_per_second=0, name=None, args=(), extra=()):
        fields = [("source", source)] if source is not None else []
        if name:
            fields.append(("name", name))
        fields += [("arg", a) for a in args] + list(extra)
        blob = pack(fields)
        self.process.stdin.write(REQUEST.pack(flags, repeat, call_depth, value_bytes, stdout_bytes,
                                              data_bytes, opcodes, opcodes_per_second, len(blob), len(stdin)) + blob + stdin)
        self.process.stdin.flush()
        (status, reason, phase, _, result_bytes, out, err, median,
         p90, count) = ANSWER.unpack(self.read(ANSWER.size))
        result = Result(os.waitstatus_to_exitcode(status), self.read(out), self.read(err))
        result.opcodes = count
        result.reason, result.phase = REASONS[reason], phase
        result.median_us, result.p90_us = median / 1000, p90 / 1000
        unpack(self.read(result_bytes), result)
        return result


def reference(source, name, stdin=b"", args=(), modules=()):
    """The same with python3, output and input through files; the files are gone afterwards."""
    directory = os.path.dirname(name)
    files = [(name, source)] + [(os.path.join(directory, path), text) for path, text in modules]
    for path, text in files:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    try:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, \
                tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            code = subprocess.run([PYTHON, "-X", "utf8", "-B", name, *args], stdin=given, stdout=out,
                                  stderr=err, env={"PYTHONHASHSEED": "0"}, cwd="/", check=False
                                  ).returncode
            out.seek(0)
            err.seek(0)
            return Result(code, out.read(), err.read())
    finally:
        for path, _ in files:
            os.unlink(path)
