"""Writes, packs and reads files in a directory of its own, which is gone afterwards.

    ./quickstart run examples/files.py

With `--collect 'report/*' --out DIR` on the command line of stint the report comes back.
"""
# stint: --scratch 4M --scratch-files 64
import csv
import os
import tempfile
import zipfile

print("working directory:", os.getcwd(), os.listdir())
os.mkdir("report")
with open("report/squares.csv", "w", newline="") as file:
    csv.writer(file).writerows((n, n * n) for n in range(1000))
with zipfile.ZipFile("report.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write("report/squares.csv")
with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile("report.zip") as archive:
    archive.extractall(directory)
    with open(os.path.join(directory, "report/squares.csv")) as file:
        print("the last line:", file.readlines()[-1].strip())
print(os.path.getsize("report/squares.csv"), "bytes, packed", os.path.getsize("report.zip"))
try:
    with open("too large", "wb") as file:
        file.write(bytes(5 << 20))
except OSError as error:
    print("5 MiB:", error.strerror)
