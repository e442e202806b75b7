"""The list of attacks, id by id: each is a case somewhere here, or is said to be elsewhere or not to apply."""
import glob
import os
import re
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
# Of each group the numbers of the list.
IDS = {
    "C": "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23", "W": "1 2 4 5 7 8 10 11", "M": "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23 25 26 28",
    "P": "1 2 4 5 7 8 10 11 13 14 16 17 19 20", "F": "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23", "N": "1 2 4 5 7 8 10 11 13 14 16 17",
    "I": "1 2 4 5 7 8 10 11 13 14 16 17", "S": "1 2 4 5 7 8 10 11 13 14 16", "K": "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23 25 26",
    "Y": "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23 25", "D": "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23 25 26 28 29 31 32 34 35 37 38",
    "T": "1 2 4 5 7 8 10 11 13 14", "Z": "1 2 4 5 7 8 10 11", "E": "1 2 4 5 7 8 10 11 13 14 16 17 19",
}
NOT_HERE = {
    "W11": "output goes to files in memory: nobody has to read while the job runs",
    "M08": "needs scratch space; with it, its own tests", "F13": "needs scratch space; with it, its own tests",
    "F14": "needs scratch space; with it, its own tests", "P17": "test_death.py, test_spawner.py",
    "N08": "no worker gets a socket that can be bound: N02, N16, N22", "I05": "sendmsg: N10; the channel is closed before the job is read",
    "I08": "K33: keyctl, add_key, request_key", "K08": "K33: personality", "K11": "K33: userfaultfd", "K14": "P16", "K23": "with Landlock, its own tests",
    "K26": "K16 robust list", "D08": "test_protocol.py: duplicate_id_in_work", "D13": "E07", "D20": "D10 and unit/test_json_scan_number",
    "D22": "test_protocol.py: split_bytes", "D23": "the fuzzers of every parser", "D26": "there are no session tokens", "D29": "test_protocol.py: vanished_client",
    "D31": "the log is standard error: the service manager's", "D32": "all clocks are monotonic", "D34": "test_death.py", "D35": "test_death.py, test_spawner.py",
    "D37": "test_spawner.py: socket_in_the_way, stale_socket", "D38": "test_spawner.py: breaches", "T04": "there are no sessions beside connections: T06", "T05": "there is no field that names a tenant",
    "T11": "a worker's channel, output and page are made for it alone and go with one message; test_zygote.py", "T13": "no session keeps state",
    "T14": "statistics are of the whole daemon, for all: stated in PROTOCOL.md", "Z01": "Z04 zygote",
    "Z07": "test_zygote.py", "Z08": "test_death.py", "Z10": "kills go to the leaf or by serial, never by pid", "Z11": "test_many.py: thousands_of_jobs, queue_full", "E08": "M26", "E10": "test_zygote.py: leaf_missing, leaf_forbidden; confinement.py: no leaf",
    "E13": "M23", "E16": "C36 to C41", "E19": "not promised",
}


class Coverage(unittest.TestCase):
    def test_every_id(self):
        text = ""
        for path in glob.glob(os.path.join(HERE, "*.py")):
            if os.path.abspath(path) != os.path.abspath(__file__):
                with open(path, encoding="utf-8") as file:
                    text += file.read()
        here = set(re.findall(r"(?:\"|test_|f\")([A-Z]\d\d)[a-z]?\b", text)) | set(re.findall(r"(?:\"|test_|f\")([A-Z]\d\d)[a-z]?[ _]", text))
        ids = {f"{group}{int(number):02}" for group, numbers in IDS.items() for number in numbers.split()}
        self.assertEqual(sorted(ids - here - set(NOT_HERE)), [])
        self.assertEqual(sorted(set(NOT_HERE) - ids), [])


if __name__ == "__main__":
    unittest.main()
