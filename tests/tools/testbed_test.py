#!/usr/bin/env python3
"""tools/testbed, and sextant on it: rates, the loop, and how a job ends that loses a rank or a link.

python3 testbed_test.py SEXTANT COLLECTIVES_TEST    Exit code 77 with "skipped: REASON" where no testbed can be built.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from tiny_job import NETWORK, clean_environment

SEXTANT = ""
COLLECTIVES = ""  # runtime_mpi_test
TESTBED = pathlib.Path(__file__).resolve().parents[2] / "tools/testbed"
NAME = f"test-{os.getpid()}"
SKIPPED = 77


# A rank that computes for half a second prints for how long, in the median, it was kept waiting; seconds.
TURNS = """
import time
end, last, waits = time.perf_counter() + 0.5, time.perf_counter(), []
while last < end:
    now = time.perf_counter()
    if now - last > 1e-4:
        waits.append(now - last)
    last = now
print(f"{sorted(waits)[len(waits) // 2] if waits else 0.0:.6f}")
"""


def testbed(*arguments, timeout=60):
    return subprocess.run([TESTBED, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env=clean_environment(), check=False)


def wait_until(condition, patience_s):
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def processes_of(device):
    """Ids of the sextant processes on a device."""
    namespace = os.stat(f"/run/netns/sextant.{NAME}.{device}").st_ino
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.stat(process / "ns/net").st_ino == namespace and os.path.samefile(process / "exe", SEXTANT):
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


def orphaned_beats():
    """Ids of the real-time processes that a run left behind."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [bytes(TESTBED), b"beat"] and "\nPPid:\t1\n" in (process / "status").read_text():
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


class OnTestbed(unittest.TestCase):
    """Two nodes of two devices; the tests run in order, and the later ones use the plan of the fourth."""

    @classmethod
    def setUpClass(cls):
        result = testbed("up", "--name", NAME, "--nodes", 2, "--devices", 2, "--intra", "4Gbit", "--inter", "1Gbit")
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        cls.addClassCleanup(testbed, "down", "--name", NAME)
        folder = tempfile.TemporaryDirectory(prefix="sextant_testbed_")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        (cls.folder / "network.yaml").write_text(NETWORK, encoding="utf-8")
        (cls.folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 50, encoding="utf-8")

    def succeed(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def run_sextant(self, *arguments):
        return self.succeed(testbed("run", "--name", NAME, "--", SEXTANT, *arguments, timeout=200))

    def test_1_links_have_about_their_rates(self):
        measured = {}
        for line in self.succeed(testbed("rates", "--name", NAME)).stdout.splitlines():
            tier, gbit_per_s = re.match(r"(\w+): .* ([0-9.]+) Gbit/s of", line).groups()
            measured[tier] = float(gbit_per_s)
        self.assertGreater(measured["intra"], 2.0)  # shaped to 4: a busy machine may fall behind that
        self.assertLess(measured["intra"], 4.2)
        self.assertGreater(measured["inter"], 0.8)
        self.assertLess(measured["inter"], 1.05)

    def test_2_exit_codes_pass_through(self):
        self.assertEqual(testbed("run", "--name", NAME, "--", "sh", "-c", "exit 3").returncode, 3)

    def test_3_ranks_see_nodes(self):
        result = self.succeed(testbed("run", "--name", NAME, "--", "sh", "-c",
                                      "echo $OMPI_COMM_WORLD_RANK $(hostname)"))
        self.assertEqual(sorted(result.stdout.splitlines()), ["0 node0", "1 node0", "2 node1", "3 node1"])

    def test_3_collectives_between_nodes(self):
        self.succeed(testbed("run", "--name", NAME, "--", COLLECTIVES, "--gtest_filter=Collectives*", timeout=100))

    def test_3_devices_of_one_core_take_short_turns(self):
        (self.folder / "turns.py").write_text(TURNS, encoding="utf-8")
        result = self.succeed(testbed("run", "--name", NAME, "--", sys.executable, self.folder / "turns.py"))
        if "no real-time process" in result.stderr or len(os.sched_getaffinity(0)) >= 4:
            self.skipTest("no real-time processes here, or a core for every device")
        medians = [float(number) for number in re.findall(r"[0-9]\.[0-9]{6}", result.stdout)]  # lines may run together
        self.assertEqual(len(medians), 4)
        self.assertLess(max(medians), 2e-3)  # 3 ms where nobody interrupts
        self.assertEqual(orphaned_beats(), [])

    def test_4_profile_plan_train(self):
        cluster = self.folder / "cluster.yaml"
        profile = self.run_sextant("profile", "--quick", "--json", "--network", self.folder / "network.yaml",
                                   "--sequence", 16, "--micro-batch", 1, "--out", cluster)
        summary = json.loads(profile.stdout)
        self.assertEqual((summary["nodes"], summary["devices_per_node"]), (2, 2))
        plan = [SEXTANT, "plan", "--network", self.folder / "network.yaml", "--cluster", cluster,
                "--global-batch", 4, "--sequence", 16, "--out", self.folder / "plan.yaml"]
        self.succeed(subprocess.run(list(map(str, plan)), capture_output=True, text=True, check=False))
        self.run_sextant("train", *self.train_arguments("run", 10))
        summary = json.loads((self.folder / "run/summary.json").read_text(encoding="utf-8"))
        self.assertEqual((summary["ranks"], summary["backend"]), (4, "mpi"))

    def train_arguments(self, run, steps):
        return ["--plan", self.folder / "plan.yaml", "--data", self.folder / "text.txt", "--out", self.folder / run,
                "--steps", steps]

    def end_of_disturbed_run(self, name, disturb, patience_s):
        """Starts a training that would take hours, disturbs it; stderr, once no rank is left."""
        command = [TESTBED, "run", "--name", NAME, "--", SEXTANT, "train", *self.train_arguments(name, 1000000),
                   "--timeout", 3]
        with open(self.folder / f"{name}.err", "w+", encoding="utf-8") as errors:
            job = subprocess.Popen(list(map(str, command)), stdout=errors, stderr=errors, env=clean_environment())
            self.addCleanup(job.kill)
            log = self.folder / name / "log.jsonl.partial"
            self.assertTrue(wait_until(lambda: log.exists() and log.stat().st_size > 0, 30), "no step was trained")
            disturb()
            begin = time.monotonic()
            code = job.wait(timeout=patience_s)
            print(f"{name}: the job ended after {time.monotonic() - begin:.1f} s with code {code}", file=sys.stderr)
            self.assertNotEqual(code, 0)
            self.assertEqual([processes_of(f"node{node}.device{device}") for node in (0, 1) for device in (0, 1)],
                             [[]] * 4)
            errors.seek(0)
            return errors.read()

    def assert_told(self, stderr):
        lines = [line for line in stderr.splitlines() if line.startswith("sextant: ")]
        self.assertEqual(len(lines), 1, stderr)
        # Step, and where it is inside a task that; rank; collective; reason.
        self.assertRegex(lines[0], r"^sextant: step \d+: (.+: )?rank [0-3]: \w+ over ranks [0-3 ]+.*: given up: ")

    def assert_killing_is_told(self, rank):
        device = f"node{rank // 2}.device{rank % 2}"

        def kill():
            (process,) = processes_of(device)
            os.kill(process, signal.SIGKILL)

        # Open MPI ends survivors without a word when they are sending to the dead rank at that moment.
        for attempt in range(4):
            stderr = self.end_of_disturbed_run(f"killed-{rank}-{attempt}", kill, 15)
            self.assertRegex(stderr, f"process rank {rank} .* exited on signal 9")
            if "\nsextant: " in stderr:
                break
        self.assert_told(stderr)

    def test_5_a_killed_rank_ends_the_job(self):
        self.assert_killing_is_told(3)

    def test_5_killing_the_rank_that_gathers_is_told_by_another(self):
        self.assert_killing_is_told(0)

    def test_6_a_lost_link_ends_the_job(self):
        def pull_cable():
            self.succeed(testbed("link", "--name", NAME, "node1.device0", "down"))

        self.assert_told(self.end_of_disturbed_run("lost", pull_cable, 40))
        self.assertIn("link of node1.device0 is down", testbed("status").stdout)

    def test_7_down_leaves_nothing(self):
        self.succeed(testbed("down", "--name", NAME))
        self.assertNotIn(NAME, testbed("status").stdout)
        self.assertEqual([name for name in os.listdir("/run/netns") if NAME in name], [])
        self.assertEqual(list(pathlib.Path(tempfile.gettempdir()).glob(f"sextant-testbed.{NAME}.*")), [])
        self.succeed(testbed("down", "--name", NAME))  # again


if __name__ == "__main__":
    SEXTANT, COLLECTIVES = (str(pathlib.Path(program).resolve()) for program in sys.argv[1:3])
    check = testbed("check")
    if check.returncode != 0:
        print(f"skipped: {check.stderr.strip().removeprefix('testbed: ')}")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2, failfast=True)
