"""An event loop works in a job as anywhere: three waits of different length at one time."""
import asyncio
import time


async def fetch(name, seconds):
    await asyncio.sleep(seconds)
    print(f"{name} after {seconds} s")
    return len(name)


async def main():
    start = time.monotonic()
    lengths = await asyncio.gather(fetch("apple", 0.3), fetch("fig", 0.1), fetch("cherry", 0.2))
    took = time.monotonic() - start
    print(lengths, "together in", "less" if took < 0.5 else "more", "than the sum of the waits")


asyncio.run(main())
