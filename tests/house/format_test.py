#!/usr/bin/env python3
"""Every source file reads as .clang-format says (clang-format 14, whose keys the file is kept to)."""
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import house_check  # noqa: E402

root = pathlib.Path(__file__).resolve().parents[2]
program = shutil.which("clang-format-14")
if program is None:
    print("skipped: clang-format-14 is not installed")
    sys.exit(77)

files = [str(root / path) for path in house_check.source_files(root, house_check.FOLDERS + ["tests"])]
result = subprocess.run([program, "--dry-run", "--Werror", *files], capture_output=True, text=True, check=False)
for line in result.stderr.splitlines():
    if "error:" in line:
        print(line.replace(f"{root}/", ""))
if result.returncode != 0:
    print("mend with: clang-format-14 -i FILE")
sys.exit(1 if result.returncode != 0 else 0)
