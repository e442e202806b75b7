#!/usr/bin/python3
"""CPython's own tests, in a plain and in a metered interpreter: what passes plain must pass metered.

    test_cpython_suite.py [--all] [--proof] [MODULE ...]     test_dict test_scope ...; all: the slow ones too;
                                                             proof: no code may run that is not metered
Run by make check in the build folder's tests/; needs unit/suite_runner there and Debian's package
libpython3.11-testsuite (without it: skipped, exit status 77). No daemon and no root.
EXPECTED has those tests that cannot pass metered, with the reason; one that is named there and passes is a
failure too.
"""
import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import meter_driver  # noqa: E402

BUILD = os.environ.get("STINT_TEST_BUILD", os.getcwd())
RUNNER = os.path.join(BUILD, "unit", "suite_runner")
PYTHON = "/usr/bin/python3"
SUITE = "/usr/lib/python3.11/test/test_grammar.py"
MODULE_SECONDS = 300
PASSED_AT_LEAST = 8000
SKIPPED = 77

MODULES = """
test_ast test_asyncgen test_asyncio.test_futures test_asyncio.test_locks test_asyncio.test_queues
test_asyncio.test_runners test_asyncio.test_taskgroups test_asyncio.test_timeouts test_augassign
test_baseexception test_binop test_bool test_builtin test_call test_class
test_code test_compare test_compile test_complex test_contains test_contextlib test_contextlib_async
test_copy test_coroutines test_dataclasses test_decorators test_defaultdict test_descr test_descrtut
test_dict test_dict_version test_dictcomps test_dictviews test_dynamic test_dynamicclassattribute
test_enum test_enumerate test_eof test_except_star test_exception_group test_exception_hierarchy
test_exception_variations test_exceptions test_extcall test_flufl test_format test_frame test_frozen
test_fstring test_funcattrs test_functools test_future test_generator_stop test_generators
test_genericalias test_genericclass test_genexps test_global test_grammar test_inspect test_int
test_int_literal test_isinstance test_iter test_iterlen test_itertools test_keyword test_keywordonlyarg
test_linecache test_list test_listcomps test_marshal test_metaclass test_module test_named_expressions
test_opcodes test_operator test_ordered_dict test_patma test_pep646_syntax test_pickle
test_positional_only_arg test_pow test_print test_property test_pulldom test_raise test_range
test_repl test_reprlib test_richcmp test_scope test_set test_setcomps test_slice test_sort
test_string test_string_literals test_structseq test_subclassinit test_super test_symtable test_syntax
test_sys_setprofile test_sys_settrace test_traceback test_tuple test_type_comments test_typechecks
test_types test_typing test_unary test_unpack test_unpack_ex test_userdict test_userlist test_utf8source
test_weakref test_weakset test_with test_yield_from
""".split()
SLOW = """
test_abc test_asyncio.test_tasks test_bdb test_bytes test_cmd_line_script test_code_module test_codeop
test_collections test_compileall test_dis test_float test_gc test_import test_long test_peepholer
test_pkgutil test_py_compile test_runpy test_sys test_threading test_trace test_tracemalloc test_unittest test_zipimport
""".split()

CONSTANTS = "looks at all constants of the code: metered code has its charges there"
LENGTH = "counts or lists instructions: a charge is two"
LINENO = "sets frame.f_lineno, which metered jobs cannot: a jump could pass charges by"
DUMPED = "compares code with what comes back from marshal: charges become NOPs there, which are metered anew"
CONTAINER = "dumps a container that has code in it, which is refused (dump the code objects)"
# (test, what the failure must say, reason); a test that ends in "*" stands for all that begin so, and only
# those that fail with these words are excepted by it.
EXPECTED = (
    ("test.test_ast.ConstantTests.test_load_const", "charge", CONSTANTS),
    ("test.test_code", "<charge", CONSTANTS),
    ("test.test_code.CodeLocationTest.test_code_new_empty", "42, None, None", LENGTH),
    ("test.test_code.CodeTest.test_co_positions_artificial_instructions", "<charge", LENGTH),
    ("test.test_code.CodeTest.test_replace", "<charge", CONSTANTS),
    ("test.test_compile.TestSourcePositions.test_column_offset_deduplication", "3 != 2", CONSTANTS),
    ("test.test_compile.TestSpecifics.test_32_63_bit_values", "<charge", CONSTANTS),
    ("test.test_compile.TestSpecifics.test_consts_in_conditionals", "5 not less than", LENGTH),
    ("test.test_compile.TestSpecifics.test_dead_blocks_do_not_generate_bytecode", "5 not less than", LENGTH),
    ("test.test_compile.TestSpecifics.test_false_while_loop", "3 != 5", LENGTH),
    ("test.test_compile.TestSpecifics.test_merge_code_attrs", "is not b'",
     "wants one co_linetable object for two functions: metering makes a new one for each"),
    ("test.test_compile.TestSpecifics.test_merge_constants", "<charge",
     "wants one co_consts object for two functions: metering makes a new one for each"),
    ("test.test_compile.TestSpecifics.test_strip_unused_consts", "<charge", CONSTANTS),
    ("test.test_dis.*", "", "prints the disassembly, or finds instructions by their position"),
    ("test.test_marshal.CodeTestCase.test_code", "<code", DUMPED),
    ("test.test_marshal.CodeTestCase.test_different_filenames", "unmarshallable", CONTAINER),
    ("test.test_marshal.CodeTestCase.test_many_codeobjects", "unmarshallable", CONTAINER),
    ("test.test_marshal.InstancingTestCase.testModule", "<code", DUMPED),
    ("test.test_peepholer.TestTranforms.test_assignment_idiom_in_comprehensions", "!= 1", LENGTH),
    ("test.test_peepholer.TestTranforms.test_folding_of_tuples_of_constants", "3 != 2", LENGTH),
    ("test.test_peepholer.TestTranforms.test_while_one", "<charge", LENGTH),
    ("test.test_sys.SizeofTest.test_objecttypes", "wrong size for <class 'frame'>",
     "the size of a frame: a charge needs one more place on the stack"),
    ("test.test_sys_settrace.JumpTestCase.test_no_jump_to_non_integers", "Outputs don't match", LINENO),
    ("test.test_sys_settrace.JumpTestCase.*", "f_lineno cannot be set: jobs are metered", LINENO),
)
# Not run either way: a metered interpreter ends in a second one of the same process. Jobs have none: neither
# _xxsubinterpreters nor _testcapi can be imported by one.
LEFT_OUT = (
    "test.test_ast.ModuleStateTests.test_subinterpreter",
    "test.test_threading.SubinterpThreadingTests.test_threads_join",
    "test.test_threading.SubinterpThreadingTests.test_threads_join_2",
)


def exception(test):
    """The rule of EXPECTED for a test, or None."""
    for rule in EXPECTED:
        if rule[0] == test or (rule[0].endswith("*") and test.startswith(rule[0][:-1])):
            return rule
    return None


def run(command, name, folder):
    """{test id: (outcome, why)} of one module under one interpreter."""
    path = os.path.join(folder, "outcomes")
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8",
        "PYTHONPATH": HERE, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
        # The runner never takes the interpreter down: what it holds at its end is no leak of ours.
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0",
    }
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen(
            command + ["suite_driver", path, name, *LEFT_OUT], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
        try:
            status = process.wait(MODULE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a test has left behind
    outcomes = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, outcome, why = json.loads(line)
                outcomes[key] = (outcome, why)
    ended = outcomes.pop("", None) is not None and status == 0
    if not ended:
        with open(os.path.join(folder, "log"), "rb") as file:
            tail = file.read()[-2000:].decode("utf-8", "replace")
        outcomes[name + " (whole)"] = ("error", "status %d, not at its end:\n%s" % (status, tail))
    else:
        outcomes[name + " (whole)"] = ("ok", "")
    return outcomes


def compare(name, runner):
    """(name, passed both ways, skipped or failed plain, expected, [(test id, plain, metered, why)])"""
    start = time.monotonic()
    outcomes = []
    for command in ([PYTHON, "-S", "-B", "-m"], [runner]):
        with tempfile.TemporaryDirectory(prefix="suite", ignore_cleanup_errors=True) as folder:
            outcomes.append(run(command, name, folder))
    plain, metered = outcomes
    both, left, expected, faults = 0, 0, 0, []
    for test, (outcome, _) in plain.items():
        if outcome not in ("ok", "expected"):
            left += 1
            continue
        other, why = metered.get(test, ("missing", ""))
        rule = exception(test)
        if other == outcome:
            both += 1
            if rule and rule[0] == test:
                faults.append((test, outcome, other, "named in EXPECTED, but it passes"))
        elif rule and other in ("fail", "error") and rule[1] in why:
            expected += 1
        else:
            faults.append((test, outcome, other, why))
    return name, both, left, expected, faults, time.monotonic() - start


def main():
    meter_driver.skip_when_sanitized()
    # Who was started in the background may ignore it, and hand that on; tests wait for it in vain then.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = sys.argv[1:]
    chosen = [word for word in words if not word.startswith("--")]
    runner = RUNNER if "--proof" not in words else os.path.join(BUILD, "unit", "suite_proof")
    chosen = chosen or MODULES + (SLOW if "--all" in words else [])
    if not os.path.exists(SUITE):
        print("skipped: %s is not there: install libpython3.11-testsuite" % SUITE)
        return SKIPPED
    totals = [0, 0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for name, both, left, expected, faults, seconds in pool.map(compare, chosen, [runner] * len(chosen)):
            for test, outcome, other, why in faults:
                print("not ok - %s: plain %s, metered %s\n%s" % (test, outcome, other, why))
            print("%s - %s: %d pass both ways, %d skipped or failing plain, %d excepted, %d differ (%.1f s)"
                  % ("not ok" if faults else "ok", name, both, left, expected, len(faults), seconds),
                  flush=True)
            totals = [a + b for a, b in zip(totals, (both, left, expected, len(faults)))]
    print("%d modules: %d tests pass both ways, %d skipped or failing plain, %d excepted, %d differ" % (
        len(chosen), *totals))
    return totals[3] > 0 or (chosen[:len(MODULES)] == MODULES and totals[0] < PASSED_AT_LEAST)


if __name__ == "__main__":
    sys.exit(main())
