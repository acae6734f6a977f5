#!/usr/bin/env python3
"""The clang-tidy rules are really on, in sources and in our headers, and end as errors."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")

HEADER = """#pragma once
namespace sextant {
class bad_class_name {
 public:
  void BadFunctionName();

 private:
  int member_without_suffix = 0;
};
enum class Color { red };
}  // namespace sextant
"""
SOURCE = """#include "models/planted.h"
namespace sextant {
void bad_class_name::BadFunctionName() {
  if (member_without_suffix > 0);
}
int by_copy(const Color* color) { return color == 0 ? 1 : 0; }
}  // namespace sextant
"""


class ClangTidy(unittest.TestCase):
    def test_planted_violations_are_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "models").mkdir()
            (root / "models/planted.h").write_text(HEADER, encoding="utf-8")
            (root / "models/planted.cpp").write_text(SOURCE, encoding="utf-8")
            shutil.copy(ROOT / ".clang-tidy", root / ".clang-tidy")
            result = subprocess.run(
                [PROGRAM, "--quiet", str(root / "models/planted.cpp"), "--", "-std=c++20", f"-I{root}"],
                capture_output=True, text=True, check=False)
        self.assertNotEqual(result.returncode, 0)
        for expected in (
                "planted.h:3:7: error: invalid case style for class 'bad_class_name'",
                "planted.h:5:8: error: invalid case style for function 'BadFunctionName'",
                "planted.h:8:7: error: invalid case style for private member 'member_without_suffix'",
                "planted.h:10:20: error: invalid case style for enum constant 'red'",
                "error: potentially unintended semicolon [bugprone-suspicious-semicolon",
                "error: use nullptr [modernize-use-nullptr"):
            self.assertIn(expected, result.stdout)


if __name__ == "__main__":
    if PROGRAM is None:
        print("skipped: clang-tidy is not installed (it runs in the preset ci)")
        sys.exit(77)
    unittest.main()
