#!/usr/bin/env python3
"""The last line of tools/test counts right, and nothing that did not run passes for a success."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "test_summary.py"

PASSED = '<testcase name="a.Good" status="run"><system-out>fine</system-out></testcase>'
FAILED = '<testcase name="a.Bad" status="fail"><failure message=""/><system-out>1 is not 2</system-out></testcase>'
SKIPPED = """<testcase name="a.Away" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>[ RUN ] a.Away
a_test.cpp:3: Skipped
this machine has no second node
[  SKIPPED ] a.Away</system-out></testcase>"""
MISSING = '<testcase name="b_NOT_BUILT" status="notrun"><skipped message="Unable to find executable: b"/></testcase>'


class TestSummary(unittest.TestCase):
    def summary(self, *cases, arguments=()):
        with tempfile.TemporaryDirectory() as folder:
            text = "<testsuite>" + "".join(cases) + "</testsuite>"
            pathlib.Path(folder, "cpu.xml").write_text(text, encoding="utf-8")
            result = subprocess.run([sys.executable, SCRIPT, folder, *arguments], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout.splitlines()

    def test_counts_and_names_skips_with_their_reason(self):
        code, lines = self.summary(PASSED, PASSED, SKIPPED, arguments=["--skip=gpu checks: no GPU"])
        self.assertEqual(code, 0)
        self.assertEqual(lines[-1], "2 passed, 0 failed, 2 skipped")
        self.assertIn("skipped [cpu] a.Away: this machine has no second node", lines)
        self.assertIn("skipped gpu checks: no GPU", lines)

    def test_a_failed_test_fails_with_its_output(self):
        code, lines = self.summary(PASSED, FAILED)
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("    1 is not 2", lines)

    def test_a_binary_that_was_not_built_is_a_failure(self):
        code, lines = self.summary(PASSED, MISSING)
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.summary()[0], 1)

    def test_a_failure_outside_the_tests_fails(self):
        code, lines = self.summary(PASSED, arguments=["--failure=asan: no results"])
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
