"""The alert rules and the dashboard use the names, labels and words that a real daemon gives out."""
import json
import os
import re
import unittest

import exposition
import harness

RULES = os.path.join(harness.TOP, "deploy", "prometheus", "stint-alerts.yml")
DASHBOARD = os.path.join(harness.TOP, "deploy", "grafana", "stint.json")
TARGET_LABELS = {"job", "instance"}  # Prometheus' own
SELECTOR = re.compile(r"\b(stint_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Names(harness.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.daemon.connect() as client:
            client.run("pass")
            # So that the tenant has a series of refusals.
            try:
                client.call("no.such.method")
            except harness.RpcError:
                pass
            cls.families = exposition.parse(client.call("daemon.metrics")["text"])
        cls.series = {}
        for family in cls.families.values():
            for name, labels, _ in family.samples:
                cls.series.setdefault(name, []).append(labels)

    def check(self, expression):
        """Each selector of an expression finds a series of the real output; returns their names."""
        names = []
        for name, matchers in SELECTOR.findall(expression):
            self.assertIn(name, self.series, expression)
            for label, how, value in MATCHER.findall(matchers or ""):
                if label in TARGET_LABELS:
                    continue
                words = {own.get(label) for own in self.series[name]}
                self.assertNotIn(None, words, f"{name} has no label {label}: {expression}")
                for wanted in value.split("|") if how == "=~" else [value]:
                    self.assertIn(wanted, words, expression)
            names.append(name)
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            known = TARGET_LABELS | {"le"} | {l for n in names for own in self.series.get(n, []) for l in own}
            for label in re.split(r",\s*", group):
                self.assertIn(label, known, expression)
        return names

    def test_rules(self):
        text = "\n".join(line for line in read(RULES).split("\n") if not line.lstrip().startswith("#"))
        # Keys and folded texts are all that the file needs of YAML.
        alerts = re.findall(r"- alert: (\w+)\n", text)
        expressions = re.findall(r"expr: (?:>-\n)?((?:.|\n(?=            ))*)", text)
        self.assertEqual(len(alerts), len(set(alerts)))
        self.assertEqual(len(alerts), len(expressions))
        self.assertGreaterEqual(len(alerts), 12)
        for name, expression in zip(alerts, expressions):
            if name == "StintNotScraped":
                self.assertIn("up{", expression)
            else:
                self.assertTrue(self.check(expression), name)
        for name in re.findall(r"\bstint_\w+", text):
            self.assertTrue(name in self.series or name in self.families, name)
        self.assertEqual(len(re.findall(r"severity: (?:critical|warning|info)\b", text)), len(alerts))
        self.assertEqual(len(re.findall(r"summary: ", text)), len(alerts))

    def test_dashboard(self):
        board = json.loads(read(DASHBOARD))
        self.assertEqual((board["title"], board["uid"]), ("stint", "stint"))
        self.assertGreaterEqual(board["schemaVersion"], 36)
        ids, places = set(), set()
        variables = {variable["name"] for variable in board["templating"]["list"]}
        self.assertEqual(variables, {"datasource", "job", "instance"})
        for panel in board["panels"]:
            self.assertNotIn(panel["id"], ids)
            ids.add(panel["id"])
            grid = panel["gridPos"]
            self.assertLessEqual(grid["x"] + grid["w"], 24)
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    self.assertNotIn((x, y), places, panel["title"])
                    places.add((x, y))
            if panel["type"] == "row":
                continue
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                self.assertTrue(self.check(target["expr"]), target["expr"])
                for used in re.findall(r"\$(\w+)", target["expr"]):
                    self.assertIn(used, variables | {"__rate_interval"})
                self.assertEqual(target["expr"].count("("), target["expr"].count(")"))

    def test_manual_has_every_metric(self):
        """Of the table, as the daemon gives it out."""
        rows = re.findall(r'METRIC\(\w+, "(\w+)"', read(os.path.join(harness.TOP, "daemon", "metrics.def")))
        self.assertEqual(sorted(rows), sorted(self.families))


if __name__ == "__main__":
    unittest.main()
