#!/usr/bin/env python3
"""The report draws itself in headless Chromium, offline and without a script error: browser_test.py report_example"""
import html
import json
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

# Turns the wheel over the timeline before and after it has the focus, and points at its first task.
USER = """<script>
const canvas = document.getElementById("timeline-canvas");
const box = canvas.getBoundingClientRect();
const mouse = {clientX: box.left + 200, clientY: box.top + 30, bubbles: true, cancelable: true};
const wheel = () => canvas.dispatchEvent(new WheelEvent("wheel", {...mouse, deltaY: -240}));
const seen = {};
wheel();
seen.page_scrolls_without_focus = view.end - view.start === view.limit;
document.getElementById("timeline").focus({preventScroll: true});
wheel();
seen.wheel_zooms_with_focus = view.end - view.start < 0.5 * view.limit;
document.getElementById("zoom-fit").click();
seen.button_shows_whole_step = view.end - view.start === view.limit;
const x = (t) => box.left + 138 + t / view.limit * (box.width - 138);
const lane = view.lanes.find((l) => l.spans.some((s) => s.task === tasksOf(view.item)[0]));
canvas.dispatchEvent(new PointerEvent("pointermove", {...mouse, clientX: x(0.5 * (lane.spans[0].start + lane.spans[0].end)),
                                                      clientY: box.top + lane.top + 15}));
seen.tooltip_names_the_task = !document.getElementById("tooltip").hidden &&
    document.getElementById("tooltip").textContent.includes(lane.spans[0].task.name);
document.documentElement.dataset.seen = JSON.stringify(seen);
</script></body>"""

with tempfile.TemporaryDirectory() as folder:
    page = pathlib.Path(folder, "report.html")
    subprocess.run([sys.argv[1], page], check=True)
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", USER), encoding="utf-8")
    result = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--window-size=1280,2000",
         "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=100, check=False)

# What the page's scripts complain about is logged as CONSOLE with the page as its source.
complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
dom = result.stdout
seen = json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', dom).group(1))) if "data-seen" in dom else {}
drawn = [int(width) for width in re.findall(r"<canvas[^>]* width=\"(\d+)\"", dom)]
checks = {
    "the scripts came to their end": 'data-state="ready"' in dom,
    "no script complained": not complaints,
    "every chart has a drawing area": len(drawn) >= 8 and all(width > 100 for width in drawn),
    "a name with markup stays text": "&lt;/script&gt;&lt;b&gt;" in dom,
    "the timeline answers its user": len(seen) == 4 and all(seen.values()),
    "the experiment has its tables": all(text in dom for text in (
        "all, contention left out", "Times as fast as tutel", "pick over fastest", "measured again")),
    "both items are in the table": "untrained" in dom and "trained" in dom,
}
for what, holds in checks.items():
    print(f"{'ok' if holds else 'FAILED'}: {what}")
print("\n".join(complaints), drawn, seen)
sys.exit(0 if all(checks.values()) else 1)
