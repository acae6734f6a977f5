#!/usr/bin/env python3
"""The gate on published runs: `sextant validate` on published_runs.csv prints predictions.txt, number for number.

A change of a model that means to move predictions runs this with --update, and tells the old and the new scores under
"Predictions changed" in CHANGELOG.md.
    published_runs_test.py SEXTANT [--update]
"""
import difflib
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
RECORD = FOLDER / "predictions.txt"


def main():
    command = [sys.argv[1], "validate", "--rows", "--runs", str(FOLDER / "published_runs.csv"), "--configs",
               str(FOLDER.parents[2] / "configs")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode != 0:
        sys.exit(f"validate ended with {result.returncode}: {result.stderr}")
    if "--update" in sys.argv:
        RECORD.write_text(result.stdout, encoding="utf-8")
        return
    print(result.stdout[result.stdout.index("\nsource"):])
    changed = list(difflib.unified_diff(RECORD.read_text(encoding="utf-8").splitlines(), result.stdout.splitlines(),
                                        "on record", "now", lineterm="", n=0))
    if changed:
        sys.exit("predictions changed:\n" + "\n".join(changed))


main()
