"""Runs into its limit: 300 ms of CPU time are granted, and it never ends by itself.

What it had printed comes back all the same; the exit status is 124.
"""
# stint: --cpu 300ms

n = 0
while True:
    n += 1
    if n % 1_000_000 == 0:
        print(f"counted to {n}")
