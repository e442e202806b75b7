"""Counts words on standard input:

    ./quickstart run examples/word_count.py < README.md

Without any input it counts its own description.
"""
import re
import sys
from collections import Counter

text = sys.stdin.read() or __doc__
words = Counter(re.findall(r"[a-z']+", text.lower()))
print(f"{sum(words.values())} words, {len(words)} different")
for word, count in words.most_common(10):
    print(f"{count:6}  {word}")
