"""What the documents show works: the examples at the end of the guides are run, their settings are valid."""
import os
import re
import subprocess
import tempfile
import unittest

from harness import CLIENT, SPAWNER, TOP, DaemonCase

GUIDES = os.path.join(TOP, "deploy", "doc")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def read(name):
    with open(os.path.join(GUIDES, name), encoding="utf-8") as file:
        return file.read()


class DocumentsTest(DaemonCase):
    def example(self, name):
        tail = read(name).split("\n## A working example\n")[1]
        self.assertNotIn("\n## ", tail, "the example is the last section")
        blocks = BLOCK.findall(tail)
        self.assertEqual([kind for kind, _ in blocks], ["sh", "text"])
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "bin"))
            os.symlink(CLIENT, os.path.join(directory, "bin", "stint"))
            done = subprocess.run(
                ["bash", "-eu", "-c", blocks[0][1]], cwd=directory, timeout=120, check=False,
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                env={**os.environ, "STINT_SOCKET": self.daemon.socket,
                     "PATH": os.path.join(directory, "bin") + ":/usr/bin:/bin"})
        self.assertEqual((done.stdout, done.returncode), (blocks[1][1], 0), done.stderr)

    def test_the_judge_of_the_guide(self):
        self.example("judges.md")

    def test_the_plugin_host_of_the_guide(self):
        self.example("plugins.md")

    def test_settings_that_the_guides_recommend_are_valid(self):
        for name in ("judges.md", "plugins.md"):
            found = [text for kind, text in BLOCK.findall(read(name)) if not kind and " = " in text]
            self.assertEqual(len(found), 1, name)
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(found[0])
                file.flush()
                done = subprocess.run([SPAWNER, "--check-config", "--config", file.name], timeout=30,
                                      capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")

    def test_the_table_of_refusals_is_complete_and_true(self):
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
            section = file.read().split("\n## Troubleshooting\n")[1].split("\n## ")[0]
        rows = [row for row in section.splitlines() if row.startswith("| `")]
        said = [words for row in rows for words in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
        self.assertGreater(len(said), 15)
        sources = ""
        for folder in ("protocol", "worker", "daemon", "client"):
            for name in sorted(os.listdir(os.path.join(TOP, folder))):
                if name.endswith((".c", ".h")):
                    with open(os.path.join(TOP, folder, name), encoding="utf-8") as file:
                        sources += file.read()
        text = re.sub(r'"\s*(?:PRI\w+\s*)?"', "", sources)  # joined as the compiler does
        for words in said:
            self.assertTrue(words in text, f"README.md lists a message that no program has: {words}")
        reasons = re.findall(r'REASON\((\w+), "(\w+)"', sources)
        self.assertGreater(len(reasons), 5)
        for constant, name in reasons:
            if re.search(rf"RPC_REASON_{constant}\b", sources):
                self.assertIn(name, said, "README.md does not list it")


if __name__ == "__main__":
    unittest.main()
