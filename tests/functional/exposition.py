"""A strict reader of Prometheus' text exposition format 0.0.4, written from its description alone.

parse(text) gives {family: Family}; anything that the format forbids, or that is against the conventions for
names and types, is a ValueError that quotes the line.
"""
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
VALUE = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|Inf|NaN)\Z")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Family:
    def __init__(self, name):
        self.name = name
        self.help = None
        self.type = None
        self.samples = []  # (sample name, labels as a dict, value)

    def value(self, **labels):
        """Value of the one series with these labels."""
        found = [v for _, own, v in self.samples if own == labels]
        if len(found) != 1:
            raise KeyError(f"{self.name}{labels}: {len(found)} series")
        return found[0]

    def buckets(self, **labels):
        """[(upper bound, cumulative count)] of a histogram's series."""
        return [
            (float(own["le"]), v) for name, own, v in self.samples
            if name.endswith("_bucket") and {k: w for k, w in own.items() if k != "le"} == labels
        ]

    def total(self):
        return sum(v for _, _, v in self.samples)


def labels_of(text, line):
    """{...} at the front of text: the labels and what follows."""
    labels, at = {}, 1
    while text[at] != "}":
        match = re.compile(r'([^=]*)="((?:[^"\\\n]|\\[\\"n])*)"').match(text, at)
        if not match or not LABEL.match(match[1]) or match[1].startswith("__"):
            raise ValueError(f"label in {line!r}")
        if match[1] in labels:
            raise ValueError(f"label twice in {line!r}")
        unescape = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
        labels[match[1]] = re.sub(r"\\.", lambda m: unescape[m[0]], match[2])
        at = match.end()
        if text[at] == ",":
            at += 1
            if text[at] == "}":
                raise ValueError(f"comma before the end in {line!r}")
        elif text[at] != "}":
            raise ValueError(f"between labels in {line!r}")
    return labels, text[at + 1:]


def check_histogram(family):
    groups = {}
    for name, labels, value in family.samples:
        own = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        group = groups.setdefault(own, {"buckets": []})
        if name.endswith("_bucket"):
            if "le" not in labels:
                raise ValueError(f"bucket without le: {family.name}")
            group["buckets"].append((float(labels["le"]), value))
        elif "le" in labels:
            raise ValueError(f"le where it does not belong: {name}")
        else:
            group[name[len(family.name):]] = value
    for own, group in groups.items():
        bounds = [bound for bound, _ in group["buckets"]]
        counts = [count for _, count in group["buckets"]]
        if bounds != sorted(set(bounds)) or not bounds or bounds[-1] != float("inf"):
            raise ValueError(f"bounds of {family.name}{own}: {bounds}")
        if counts != sorted(counts) or counts[-1] != group.get("_count") or "_sum" not in group:
            raise ValueError(f"counts of {family.name}{own}: {counts}, {group}")


def check_family(family, line):
    if family.help is None or family.type is None:
        raise ValueError(f"{line!r}: HELP or TYPE of {family.name} is missing")
    if family.type == "counter" and not family.name.endswith("_total"):
        raise ValueError(f"counter {family.name} is not a _total")
    if family.type != "counter" and family.name.endswith(("_total", "_count", "_sum", "_bucket")):
        raise ValueError(f"{family.type} {family.name} has a counter's name")
    if family.type == "histogram":
        check_histogram(family)
    if family.type in ("counter", "histogram") and any(not v >= 0 for _, _, v in family.samples):
        raise ValueError(f"{family.name} is negative")


def parse(text):
    if not text.endswith("\n"):
        raise ValueError("no line end at the end")
    families, current, seen = {}, None, set()
    for line in text[:-1].split("\n"):
        if line.startswith("#"):
            word = line.split(" ", 3)
            if len(word) < 4 or word[0] != "#" or word[1] not in ("HELP", "TYPE") or not NAME.match(word[2]):
                raise ValueError(f"comment {line!r}")
            if current is None or current.name != word[2]:
                if word[1] != "HELP" or word[2] in families:
                    raise ValueError(f"{line!r}: out of place")
                current = families[word[2]] = Family(word[2])
            if current.samples or getattr(current, word[1].lower()) is not None:
                raise ValueError(f"{line!r}: twice, or behind the samples")
            if word[1] == "TYPE" and word[3] not in SUFFIXES:
                raise ValueError(f"type in {line!r}")
            setattr(current, word[1].lower(), word[3])
            continue
        match = re.match(r"[^{ ]+", line)
        if not match or not NAME.match(match[0]):
            raise ValueError(f"name in {line!r}")
        rest, labels = line[match.end():], {}
        if rest.startswith("{"):
            labels, rest = labels_of(rest, line)
        if not rest.startswith(" ") or not VALUE.match(rest[1:]):
            raise ValueError(f"value in {line!r}")
        if current is None or match[0] not in [current.name + s for s in SUFFIXES.get(current.type, ())]:
            raise ValueError(f"{line!r}: not of the family before it")
        series = (match[0], tuple(sorted(labels.items())))
        if series in seen:
            raise ValueError(f"{line!r}: twice")
        seen.add(series)
        current.samples.append((match[0], labels, float(rest[1:])))
    for family in families.values():
        check_family(family, family.name)
    return families
