#!/usr/bin/env python3
"""Adds up the JUnit files that ctest wrote and prints one plain last line.

    test_summary.py FOLDER [--skip=TEXT]... [--failure=TEXT]...

Every failed and every skipped test is named, skips with the reason that the test gave. Exit code 1
when anything failed or nothing passed.
"""
import argparse
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def skip_reason(case):
    """What a skipped test said: the line after GoogleTest's "Skipped", or a line "skipped: ..."."""
    output = case.findtext("system-out") or ""
    found = re.search(r": Skipped\n(.+)", output) or re.search(r"skipped: (.+)", output, re.IGNORECASE)
    if found and found.group(1).strip():
        return found.group(1).strip()
    return "disabled in the source" if case.get("status") == "disabled" else "it gave no reason"


def read_results(path):
    """Yields (status, test name, reason) with status in passed, failed, skipped."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        if status == "run":
            yield "passed", case.get("name"), ""
        elif case.find("skipped") is not None or status == "disabled":
            # A test whose binary is missing or did not start is reported as skipped by ctest, yet it is a failure.
            message = (case.find("skipped").get("message") or "") if case.find("skipped") is not None else ""
            if re.search(r"SKIP|Disabled", message) or status == "disabled":
                yield "skipped", case.get("name"), skip_reason(case)
            else:
                yield "failed", case.get("name"), message or "did not run"
        else:
            yield "failed", case.get("name"), (case.findtext("system-out") or "").strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--skip", action="append", default=[], help="a check left out, with its reason")
    parser.add_argument("--failure", action="append", default=[], help="a failure outside the tests")
    options = parser.parse_args()

    count = collections.Counter(skipped=len(options.skip), failed=len(options.failure))
    skips = collections.Counter()
    for failure in options.failure:
        print(f"FAILED {failure}")
    for path in sorted(options.folder.glob("*.xml")):
        for status, name, text in read_results(path):
            count[status] += 1
            if status == "failed":
                print(f"FAILED [{path.stem}] {name}\n" + "\n".join("    " + line for line in text.splitlines()[-40:]))
            elif status == "skipped":
                skips[(path.stem, re.sub(r"/[^/]*$", "/*", name) if "/" in name else name, text)] += 1
    for text in options.skip:
        print(f"skipped {text}")
    for (preset, name, reason), times in skips.items():
        print(f"skipped [{preset}] {name}{f' ({times} tests)' if times > 1 else ''}: {reason}")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
