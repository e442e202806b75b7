"""Primes by a sieve: CPU and memory in the account are worth a look.

    ./quickstart run examples/primes.py 2000000
"""
import sys

limit = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
sieve = bytearray([1]) * (limit + 1)
sieve[:2] = b"\0\0"
for n in range(2, int(limit**0.5) + 1):
    if sieve[n]:
        sieve[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
print(f"{sum(sieve)} primes up to {limit}")
print("the last ones:", *[n for n in range(max(0, limit - 200), limit + 1) if sieve[n]])
