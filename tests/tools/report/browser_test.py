#!/usr/bin/env python3
"""The report draws itself in headless Chromium, offline and without a script error: browser_test.py report_example"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

browser = shutil.which("chromium") or shutil.which("google-chrome")
if browser is None:
    print("skipped: no Chromium on this machine (apt-get install chromium)")
    sys.exit(77)

with tempfile.TemporaryDirectory() as folder:
    page = pathlib.Path(folder, "report.html")
    subprocess.run([sys.argv[1], page], check=True)
    result = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--window-size=1280,2000",
         "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=100, check=False)

# What the page's scripts complain about is logged as CONSOLE with the page as its source.
complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
dom = result.stdout
drawn = [int(width) for width in re.findall(r"<canvas[^>]* width=\"(\d+)\"", dom)]
checks = {
    "the scripts came to their end": 'data-state="ready"' in dom,
    "no script complained": not complaints,
    "every chart has a drawing area": len(drawn) >= 8 and all(width > 100 for width in drawn),
    "a name with markup stays text": "&lt;/script&gt;&lt;b&gt;" in dom,
    "both items are in the table": "untrained" in dom and "trained" in dom,
}
for what, holds in checks.items():
    print(f"{'ok' if holds else 'FAILED'}: {what}")
print("\n".join(complaints), drawn)
sys.exit(0 if all(checks.values()) else 1)
