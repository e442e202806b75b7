"""The smallest job: ./quickstart run examples/hello.py"""
import sys

name = sys.argv[1] if len(sys.argv) > 1 else "world"
print(f"Hello, {name}! This is Python {sys.version.split()[0]} in a process of its own.")
