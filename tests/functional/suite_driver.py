"""One module of CPython's own tests: every test's outcome, a JSON line each, in a file.

    python3 -S -B -m suite_driver FILE MODULE [TEST ...]     without those tests
Run by test_cpython_suite.py in the plain and in the metered interpreter. A test's line is written when it
has ended, so that a crash leaves what came before it.
"""
import faulthandler
import json
import site
import sys
import unittest
import warnings


class Result(unittest.TestResult):
    """ok, fail, error, skip, expected or unexpected; of several for one test (subtests) the worst."""

    ORDER = ("ok", "expected", "skip", "unexpected", "fail", "error")

    def __init__(self, file):
        super().__init__()
        self.file, self.now = file, {}

    def note(self, test, outcome, why=""):
        before = self.now.get(test.id(), ("ok", ""))
        if self.ORDER.index(outcome) >= self.ORDER.index(before[0]):
            self.now[test.id()] = (outcome, why)

    def flush(self):
        for name, (outcome, why) in self.now.items():
            self.file.write(json.dumps([name, outcome, why]) + "\n")
        self.file.flush()
        self.now = {}

    def stopTest(self, test):
        super().stopTest(test)
        self.flush()

    def addSuccess(self, test):
        self.note(test, "ok")

    def addSkip(self, test, reason):
        self.note(test, "skip", reason)

    def addFailure(self, test, err):
        self.note(test, "fail", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.note(test, "error", self._exc_info_to_string(err, test))
        if not isinstance(test, unittest.TestCase):
            self.flush()  # setUpClass, setUpModule

    def addExpectedFailure(self, test, err):
        self.note(test, "expected")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self.note(test, "fail" if failed else "error", self._exc_info_to_string(err, test))


def leave_out(tests, names):
    """Take the tests of these names out of a suite."""
    for test in list(tests):
        if isinstance(test, unittest.TestSuite):
            leave_out(test, names)
        elif test.id() in names:
            tests._tests.remove(test)


def main():
    path, name, *left_out = sys.argv[1:]
    site.main()
    # What else the machine has is not under test: the suite uses numpy where it finds it.
    sys.path[:] = [folder for folder in sys.path if not folder.endswith("/dist-packages")]
    faulthandler.enable()
    warnings.simplefilter("default")
    from test import support

    support.use_resources = []  # no network, no long tests
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        tests = unittest.defaultTestLoader.loadTestsFromName("test." + name)
        result = Result(file)
        leave_out(tests, left_out)
        tests.run(result)
        result.flush()
        file.write(json.dumps(["", "end", ""]) + "\n")


if __name__ == "__main__":
    main()
