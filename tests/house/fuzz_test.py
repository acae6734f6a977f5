#!/usr/bin/env python3
"""tools/fuzz knows every target of tests/fuzz, and what each starts from is there."""
import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "fuzz"
sys.dont_write_bytecode = True


def load_script():
    loader = importlib.machinery.SourceFileLoader("fuzz", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fuzz", loader))
    sys.modules["fuzz"] = module
    loader.exec_module(module)
    return module


class Fuzz(unittest.TestCase):
    def setUp(self):
        self.fuzz = load_script()

    def test_knows_every_target(self):
        lists = (ROOT / "tests" / "fuzz" / "CMakeLists.txt").read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r"^sextant_fuzz\((\w+)", lists, re.MULTILINE)), set(self.fuzz.TARGETS))

    def test_seeds_and_dictionaries_are_there(self):
        for name, target in self.fuzz.TARGETS.items():
            for folder in target.seeds:
                self.assertTrue(any((ROOT / folder).iterdir()), f"{name}: {folder}")
            if target.dictionary:
                self.assertTrue((ROOT / "tests/fuzz/dictionaries" / f"{target.dictionary}.dict").is_file(), name)

    def test_the_table_counts_executions_and_findings(self):
        outcomes = [self.fuzz.Outcome("plan", 1000, 2.0, 0, []), self.fuzz.Outcome("runs", 500, 3.0, 4, ["crash-1"])]
        lines = self.fuzz.table(outcomes).splitlines()
        self.assertEqual(lines[1].split(), ["plan", "1000", "0", "below", "1", "s", "2", "s"])
        self.assertEqual(lines[2].split(), ["runs", "500", "1", "4", "s", "3", "s"])
        self.assertEqual(lines[3].split(), ["all", "1500", "1"])

    def test_an_unknown_target_is_told_with_the_known_ones(self):
        run = subprocess.run([sys.executable, str(SCRIPT), "plans"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn("unknown target plans; allowed: network, cluster, plan", run.stderr)


if __name__ == "__main__":
    unittest.main()
