#!/usr/bin/env python3
"""The sextant command as its users meet it: output, files, error lines and exit codes.

python3 cli_test.py SEXTANT [MPIRUN]   with MPIRUN, training is launched by it: one process a rank.
"""
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import unittest

from tiny_job import NETWORK, clean_environment

SEXTANT = ""
MPIRUN = ""
ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "configs"
CONFIGS = pathlib.Path(__file__).parent / "hugging_face" / "configs"


def cluster(memory="1 GiB"):
    series = "\n".join(
        f"""  - op: {op}
    group: {{nodes: 1, ranks_per_node: {ranks}}}
    line: {{alpha: 20 us, beta: 0.5 ns/B}}
    source: made for this test"""
        for op in ["all_to_all", "all_gather", "reduce_scatter", "all_reduce"]
        for ranks in [2, 4]
    )
    return f"""\
schema: sextant/cluster@1
name: two ranks
source: made for this test
topology: {{nodes: 1, devices_per_node: 2}}
backend: local
machine: none
date: 2025-01-01
element_bytes: 4
device: {{peak: 10 GFLOP/s, memory_bandwidth: 10 GB/s, memory: {memory}}}
launch_latency: 10 us
collectives:
{series}
kernels: []
kernel_fits: []
"""


def sextant(*arguments, ranks=0):
    """Runs the command; on `ranks` processes where that is not 0."""
    launcher = [MPIRUN, "--oversubscribe", "-np", str(ranks)] if ranks else []
    command = [*launcher, SEXTANT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean_environment(), check=False)


def error_lines(result):
    """What sextant itself said; mpirun adds its own account of a job that failed."""
    return [line for line in result.stderr.splitlines() if line.startswith("sextant: ")]


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sextant_cli_")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.write("network.yaml", NETWORK)
        self.write("cluster.yaml", cluster())
        self.write("text.txt", "the quick brown fox jumps over the lazy dog\n" * 50)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    def plan(self, *options):
        return sextant("plan", "--network", self.folder / "network.yaml", "--cluster", self.folder / "cluster.yaml",
                       "--global-batch", 4, "--sequence", 16, *options)

    def make_plan(self, *options):
        result = self.plan("--out", self.folder / "plan.yaml", *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return self.folder / "plan.yaml"

    def reference_plan(self, *options, nodes=2, network="mixtral_8x7b"):
        return sextant("plan", "--network", SHIPPED / "networks" / f"{network}.yaml", "--cluster",
                       SHIPPED / "clusters/dgx_h100.yaml", "--nodes", nodes, "--global-batch", 128, "--sequence", 4096,
                       *options)

    def train(self, *flags, ranks=2, **options):
        """sextant train on `ranks` ranks; `options` add to or replace the usual ones."""
        options = {"plan": self.folder / "plan.yaml", "data": self.folder / "text.txt", "out": self.folder / "run",
                   "steps": 6, **options}
        arguments = [text for key, value in options.items() for text in ("--" + key.replace("_", "-"), value)]
        if not MPIRUN and ranks != 2:
            arguments += ["--ranks", ranks]
        return sextant("train", *arguments, *flags, ranks=ranks if MPIRUN else 0)

    def assert_fails(self, result, code, *texts):
        """One line on stderr that has all `texts`, nothing on stdout, the exit code."""
        lines = error_lines(result)
        self.assertEqual(len(lines), 1, result.stderr)
        for text in texts:
            self.assertIn(str(text), lines[0])
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.returncode, code, result.stderr)


class WithoutTraining(CommandLine):
    def test_help_and_version_are_answers(self):
        for arguments in (["--help"], ["plan", "--help"], ["train", "--help"], ["simulate", "--help"],
                          ["import", "--help"], ["import-nccl", "--help"], ["validate", "--help"], ["experiment", "--help"], ["--version"]):
            result = sextant(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
            self.assertTrue(result.stdout)

    def test_an_unknown_option_is_bad_input(self):
        self.assert_fails(sextant("plan", "--netwrok", "x"), 2)
        self.assert_fails(sextant("trian"), 2)
        self.assert_fails(sextant(), 2)

    def test_plan_json_is_one_object(self):
        result = self.plan("--json", "--top", 3)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        plan = json.loads(result.stdout)
        self.assertEqual(plan["status"], "found")
        self.assertEqual(plan["layout"]["dp"] * plan["layout"]["tp"], 2)
        self.assertLessEqual(plan["step_time_interval_s"][0], plan["step_time_s"])
        self.assertEqual(len(plan["alternatives"]), 2)

    def test_plan_writes_the_next_plans_beside_the_best(self):
        self.make_plan("--top", 2)
        self.assertTrue((self.folder / "plan-2.yaml").is_file())

    def test_fixed_degrees_and_schedule_are_kept(self):
        plan = json.loads(self.plan("--json", "--fix", "tp=2,esp=2", "--schedule", "tutel", "--r-fwd", 3).stdout)
        self.assertEqual((plan["layout"]["tp"], plan["layout"]["esp"]), (2, 2))
        self.assertEqual((plan["schedule"], plan["r_fwd"]), ("tutel", 3))
        fixed = json.loads(self.plan("--json", "--fix", "tp=2,esp=2,r_fwd=3", "--schedule", "tutel").stdout)
        self.assertEqual(fixed["r_fwd"], 3)

    def test_plan_tells_how_it_chose(self):
        notes = json.loads(self.plan("--json", "--schedule", "searched", "--fix", "ep=2").stdout)["notes"]
        self.assertGreaterEqual(notes["forward_degree"]["gap"], 0.0)
        self.assertGreaterEqual(notes["gradient_partition"]["gap"], 0.0)
        order = notes["order_search"]
        self.assertLessEqual(order["best_time_s"], order["fsmoe_time_s"])
        self.assertGreaterEqual(order["best_time_s"], order["lower_bound_s"])
        self.assertEqual(len(order["alone"]), 5)
        table = self.plan("--schedule", "searched").stdout
        for text in ("SLSQP r =", "lower bound", "split_expert_backward"):
            self.assertIn(text, table)

    def test_a_reference_cluster_plans_for_any_number_of_devices(self):
        def plan(*options):
            return sextant("plan", "--network", SHIPPED / "networks/mixtral_8x22b.yaml", "--cluster",
                           SHIPPED / "clusters/dgx_h100.yaml", "--global-batch", 1024, "--sequence", 4096, *options)

        found = json.loads(plan("--nodes", 128, "--json", "--top", 3).stdout)
        self.assertEqual(found["status"], "found")
        self.assertEqual(len(found["alternatives"]), 2)
        self.assertIn("executable_why", found)
        table = plan("--nodes", 128, "--top", 2).stdout
        for text in ("first", "rank grid: ", "what binds: ", "balance assumed: ", "inherited, cluster file: devices a",
                     "precision of products bf16"):
            self.assertIn(text, table)
        self.assertIn("text", found["binding_constraint"])
        self.assertNotIn("precision of products", plan("--nodes", 128, "--precision", "fp8").stdout)
        self.assertGreater(len(found["inherited"]), 20)
        self.assert_fails(plan("--nodes", 128, "--schedule", "fsmoe"), 2, "dgx-h100", "reference")
        self.assert_fails(plan("--nodes", 128, "--precision", "fp7"), 2, "fp7", "bf16")
        self.assert_fails(plan("--nodes", 128, "--recompute", "some"), 2, "some", "none, selective, full")
        self.assert_fails(plan("--nodes", 128, "--balance", 0.5), 2, "--balance")
        self.assert_fails(plan("--nodes", 128, "--overlap", "some"), 2, "some", "none, chunks, two_micro_batches")
        self.assert_fails(plan("--nodes", 128, "--fix", "overlap=two_micro_batches,r_fwd=2"), 2, "2 chunks", "not two")
        self.assert_fails(self.plan("--fix", "overlap=chunks"), 2, "overlap=chunks")
        chunks = json.loads(plan("--nodes", 128, "--json", "--fix", "overlap=chunks,r_fwd=2", "--r-bwd", 4).stdout)
        self.assertEqual((chunks["overlap"], chunks["r_fwd"], chunks["r_bwd"]), ("chunks", 2, 4))
        self.assert_fails(self.plan("--balance", 1.5), 2, "measured cluster")
        full = json.loads(plan("--nodes", 128, "--json", "--recompute", "full", "--balance", 1.5).stdout)
        self.assertEqual((full["recompute"], full["balance"]), ("full", 1.5))
        self.assertEqual(set(full["stage_recompute"]), {"full"})
        self.assertGreater(full["step_time_s"], found["step_time_s"])
        self.assert_fails(plan("--nodes", 1), 3, "no feasible plan", "memory", "most by")

    def test_plans_on_a_reference_cluster_are_written_as_setups(self):
        setup = self.folder / "setup.yaml"
        result = self.reference_plan("--json", "--top", 2, "--out", setup)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        text = setup.read_text()
        self.assertTrue(text.startswith("schema: sextant/setup@1\n"))
        for line in ('executable: "no (', "cluster: dgx-h100", "cluster_hash:", "  dispatch:", "  optimizer state:"):
            self.assertIn(line, text)
        self.assertTrue((self.folder / "setup-2.yaml").is_file())
        self.assert_fails(sextant("simulate", "--plan", setup, "--cluster", self.folder / "cluster.yaml"), 2,
                          "setup.yaml:1:9", "known by reference")
        self.assert_fails(self.reference_plan("--out", self.folder / "none" / "setup.yaml"), 2, "none", "written")

    def test_two_setups_are_compared_term_by_term(self):
        first, second = self.folder / "first.yaml", self.folder / "second.yaml"
        self.assertEqual(self.reference_plan("--out", first).returncode, 0)
        self.assertEqual(self.reference_plan("--out", second, "--fix", "tp=4,ep=4").returncode, 0)
        result = sextant("plan", "--compare", first, second)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for text in ("decided differently", "tensor_parallel (intra)", "bubble", "optimizer state"):
            self.assertIn(text, result.stdout)
        self.assertRegex(result.stdout.splitlines()[-1], r"slower than A: most by \+.* on the (intra|inter) tier")
        found = json.loads(sextant("plan", "--compare", first, second, "--json").stdout)
        total = sum(term["difference_s"] for term in found["terms"])
        self.assertAlmostEqual(total, found["step_time_difference_s"], places=9)
        self.assertEqual(found["deciding_term"]["class"], "exposed communication")

    def test_two_executable_plans_are_compared_by_their_tasks(self):
        first = self.make_plan("--schedule", "sequential")
        second = self.folder / "tutel.yaml"
        self.assertEqual(self.plan("--schedule", "tutel", "--fix", "tp=2", "--out", second).returncode, 0)
        without = sextant("plan", "--compare", first, second)
        self.assertEqual(without.returncode, 0, without.stderr)
        self.assertIn("--cluster FILE prices the tasks", without.stdout)
        result = sextant("plan", "--compare", first, second, "--cluster", self.folder / "cluster.yaml", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        found = json.loads(result.stdout)
        self.assertEqual(found["decisions"]["schedule"], ["sequential", "tutel"])
        for side in ("a", "b"):
            self.assertAlmostEqual(sum(term[side + "_s"] for term in found["terms"]), found[side]["step_time_s"],
                                   places=9)
        self.assertIn("compute", found["a"]["busy_s"])

    def test_what_cannot_be_compared_is_refused(self):
        plan, setup = self.make_plan(), self.folder / "setup.yaml"
        self.assertEqual(self.reference_plan("--out", setup).returncode, 0)
        self.assert_fails(sextant("plan", "--compare", plan, setup), 2, "no terms in common")
        self.assert_fails(sextant("plan", "--compare", plan), 2, "--compare")
        self.assert_fails(sextant("plan", "--compare", plan, plan, "--top", 2), 2, "--top")
        self.assert_fails(sextant("plan", "--compare", plan, self.folder / "none.yaml"), 2, "none.yaml")
        setup.write_text(setup.read_text().replace("  bubble:", "  bubbel:"))
        self.assert_fails(sextant("plan", "--compare", setup, setup), 2, "setup.yaml:", "bubbel")
        self.assert_fails(sextant("plan", "--network", self.folder / "network.yaml"), 2, "--cluster is required")

    def nccl_output(self, test, ranks=2, name=None):
        """A table of nccl-tests on one host: 20 us and 10 us a MiB."""
        factor = (2.0 if test == "all_reduce" else 1.0) * (ranks - 1) / ranks
        lines = ["# Collective test starting: " + test + "_perf",
                 "# nThread 1 nGpus 1 minBytes 1 maxBytes 9 step: 4(factor) warmup iters: 1 iters: 20 agg iters: 1"]
        lines += [f"#  Rank {rank:2} Group  0 Pid {rank + 9} on here device {rank:2} [0x07] NVIDIA H100 80GB HBM3"
                  for rank in range(ranks)]
        lines += ["# size count type redop root time algbw busbw #wrong time algbw busbw #wrong"]
        for mib in (1, 4, 16):
            microseconds = 20 + 10 * mib
            algbw = mib * 2**20 / microseconds / 1e3
            half = f"{microseconds:.2f} {algbw:.2f} {algbw * factor:.2f} 0"
            lines.append(f"{mib * 2**20} {mib * 2**18} float sum -1 {half} {half}")
        return self.write(name or f"{test}.txt", "\n".join([*lines, "# Out of bounds values : 0 OK", ""]))

    def test_nccl_tests_become_a_cluster_that_plans(self):
        files = [self.nccl_output(test) for test in ("all_reduce", "all_gather", "reduce_scatter", "alltoall")]
        out = self.folder / "imported.yaml"
        base = self.folder / "cluster.yaml"
        result = sextant("import-nccl", *files, "--cluster", base, "--out", out, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        found = json.loads(result.stdout)
        self.assertEqual((found["nodes"], found["devices_per_node"]), (1, 2))
        for collective in found["collectives"]:
            self.assertAlmostEqual(collective["alpha_s"], 20e-6, places=8)
            self.assertAlmostEqual(collective["beta_s_per_byte"], 10e-6 / 2**20, places=14)
        self.assertIn("measured by nccl-tests (all_reduce.txt", out.read_text())
        plan = sextant("plan", "--network", self.folder / "network.yaml", "--cluster", out, "--global-batch", 4,
                       "--sequence", 16, "--json")
        self.assertEqual(json.loads(plan.stdout)["status"], "found")
        # Without --cluster the shipped file of the device that the output names.
        result = sextant("import-nccl", *files, "--out", out, "--configs", SHIPPED)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("device and kernels: dgx-h100", result.stdout)

    def test_nccl_output_that_is_wrong_is_told_with_its_place(self):
        out = self.folder / "imported.yaml"
        good = self.nccl_output("all_reduce")

        def imported(path, *options):
            return sextant("import-nccl", path, "--out", out, "--configs", SHIPPED, *options)

        bad = self.write("bad.txt", good.read_text().replace("4194304", "4194304x"))
        self.assert_fails(imported(bad), 2, "bad.txt:7: size", "4194304x")
        bad = self.write("bad.txt", good.read_text().replace("H100", "X100"))
        self.assert_fails(imported(bad), 2, "X100", "--cluster")
        bad = self.write("bad.json", '{"args": ["all_reduce_perf"], "config": 3}')
        self.assert_fails(imported(bad), 2, "bad.json:1:")
        self.assert_fails(imported(self.folder / "none.txt"), 2, "none.txt", "cannot be read")
        self.assert_fails(imported(good, "--test", "broadcast"), 2, "--test")
        self.assertFalse(out.exists())
        result = imported(good)
        self.assertIn("no all_to_all", result.stderr)
        self.assertEqual(result.returncode, 0)

    def test_validate_scores_published_runs(self):
        runs = ROOT / "tests/validation/published_runs/published_runs.csv"
        scores = json.loads(sextant("validate", "--runs", runs, "--configs", SHIPPED, "--json").stdout)
        self.assertEqual(scores["rows"], scores["predicted"] + len(scores["skipped"]))
        for key in ("mean_abs_pct_error", "groups", "kendall_tau", "top1_regret"):
            self.assertIn(key, scores)
        table = self.write("runs.csv", "a,b\n1,2\n")
        self.assert_fails(sextant("validate", "--runs", table, "--configs", SHIPPED), 2, "runs.csv:1", "no column")
        self.assert_fails(sextant("validate", "--runs", self.folder / "none.csv"), 2, "none.csv")

    def test_simulation_agrees_with_the_plan(self):
        plan = json.loads(self.plan("--json", "--out", self.folder / "plan.yaml").stdout)
        result = sextant("simulate", "--plan", self.folder / "plan.yaml", "--cluster", self.folder / "cluster.yaml",
                         "--json", "--trace", self.folder / "trace.json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        simulated = json.loads(result.stdout)
        self.assertAlmostEqual(simulated["step_time_s"], plan["step_time_s"], places=12)
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        self.assertEqual(max(event["tid"] for event in events if event["ph"] == "X"), 1)  # compute, intra

    def test_a_changed_cluster_file_is_warned_of(self):
        plan = self.make_plan()
        changed = self.write("changed.yaml", cluster("2 GiB"))
        result = sextant("simulate", "--plan", plan, "--cluster", changed)
        self.assertEqual(result.returncode, 0)
        self.assertIn("warning", result.stderr)
        self.assertIn("changed.yaml", result.stderr)

    def test_a_network_changed_in_the_plan_is_warned_of(self):
        plan = self.make_plan()
        plan.write_text(plan.read_text().replace("rope_theta: 10000", "rope_theta: 20000"))
        result = sextant("simulate", "--plan", plan, "--cluster", self.folder / "cluster.yaml")
        self.assertEqual(result.returncode, 0)
        self.assertIn("plan.yaml was changed after planning", result.stderr)

    def test_a_misspelt_key_is_told_with_its_place(self):
        self.write("network.yaml", NETWORK.replace("heads: 4", "haeds: 4", 1))
        self.assert_fails(self.plan(), 2, "network.yaml:", "haeds")

    def test_a_missing_unit_is_told_with_its_place(self):
        self.write("cluster.yaml", cluster(memory="1024"))
        self.assert_fails(self.plan(), 2, "cluster.yaml:9:", "1024")

    def test_bad_values_of_options_are_told(self):
        self.assert_fails(self.plan("--fix", "epp=2"), 2, "--fix", "epp=2", "esp")
        self.assert_fails(self.plan("--fix", "ep=two"), 2, "--fix", "ep=two")
        self.assert_fails(self.plan("--schedule", "fastest"), 2, "fastest", "fsmoe")
        self.assert_fails(self.plan("--top", 0), 2, "--top")

    def test_a_degree_that_does_not_divide_has_no_plan(self):
        self.assert_fails(self.plan("--fix", "ep=3"), 3, "no feasible plan")

    def test_a_network_that_does_not_fit_has_no_plan(self):
        self.write("cluster.yaml", cluster(memory="1 KiB"))
        self.assert_fails(self.plan("--out", self.folder / "plan.yaml"), 3, "no feasible plan", "memory", "1 KiB")
        self.assertFalse((self.folder / "plan.yaml").exists())
        result = self.plan("--json")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(json.loads(result.stdout)["status"], "infeasible")

    def test_an_unwritable_profile_is_told_before_measuring(self):
        result = sextant("profile", "--out", self.folder / "missing/cluster.yaml")
        self.assert_fails(result, 2, "missing/cluster.yaml", "No such file or directory")
        self.assert_fails(sextant("profile", "--out", self.folder / "c.yaml", "--network", self.folder / "none.yaml"),
                          2, "none.yaml")

    def test_what_is_no_plan_and_no_run_is_not_reported(self):
        out = self.folder / "report.html"
        self.assert_fails(sextant("report", self.folder / "none", "--out", out), 2, self.folder / "none")
        self.assert_fails(sextant("report", self.folder / "network.yaml", "--out", out), 2, "network.yaml")
        self.assertFalse(out.exists())

    def test_an_unwritable_plan_is_told(self):
        self.assert_fails(self.plan("--out", self.folder / "missing/plan.yaml"), 2, "missing/plan.yaml",
                          "No such file or directory")


class Import(CommandLine):
    def test_an_imported_network_is_planned(self):
        config = json.loads((CONFIGS / "mixtral_8x7b.json").read_text(encoding="utf-8"))
        config.update(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
                      num_key_value_heads=4, num_local_experts=4, vocab_size=256)
        result = sextant("import", self.write("config.json", json.dumps(config)), "--out",
                         self.folder / "network.yaml", "--capacity-factor", 2)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.startswith("network: 0.00 billion parameters"), result.stdout)
        text = (self.folder / "network.yaml").read_text(encoding="utf-8")
        self.assertIn("name: network\n", text)
        self.assertIn("capacity_factor: 2\n", text)
        self.make_plan()

    def test_json_counts_the_parameters(self):
        out = self.folder / "v3.yaml"
        result = sextant("import", CONFIGS / "deepseek_v3_mtp.json", "--out", out, "--name", "DeepSeek V3", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual(answer["name"], "DeepSeek V3")
        self.assertEqual(answer["total_parameters"], 671026419200)
        self.assertEqual(answer["supported"], False)
        self.assertIn("warning: network DeepSeek V3 cannot be planned or trained: it has dense layers", result.stderr)

    def test_what_the_step_model_does_not_cover_is_refused_everywhere(self):
        reason = "it has dense layers, which the model of a step does not cover"
        out = self.folder / "llama.yaml"
        self.assertEqual(sextant("import", CONFIGS / "llama3_8b.json", "--out", out).returncode, 0)
        plan = self.make_plan()
        imported = out.read_text(encoding="utf-8").replace("schema: sextant/network@1\n", "")
        self.write("network.yaml", out.read_text(encoding="utf-8"))
        self.assert_fails(self.plan(), 2, "network.yaml: network llama", reason)
        self.assert_fails(sextant("profile", "--network", out, "--out", self.folder / "c.yaml"), 2, "llama.yaml", reason)
        head, key, _ = plan.read_text(encoding="utf-8").partition("\nnetwork:\n")  # its last key
        plan.write_text(head + key + "".join(f"  {line}\n" for line in imported.splitlines()), encoding="utf-8")
        self.assert_fails(self.train(), 2, reason)
        self.assert_fails(sextant("simulate", "--plan", plan, "--cluster", self.folder / "cluster.yaml"), 2, reason)

    def test_bad_input_is_told_with_file_and_key(self):
        out = self.folder / "n.yaml"
        config = json.loads((CONFIGS / "olmoe_1b_7b.json").read_text(encoding="utf-8"))
        del config["num_experts"]
        self.assert_fails(sextant("import", self.write("config.json", json.dumps(config)), "--out", out), 2,
                          "config.json: num_experts: missing")
        self.assert_fails(sextant("import", self.write("gpt2.json", '{"model_type": "gpt2"}'), "--out", out), 2,
                          "gpt2.json: model_type: found \"gpt2\"; allowed: mixtral,")
        self.assert_fails(sextant("import", self.write("bad.json", '{"model_type":\n mixtral}'), "--out", out), 2,
                          "bad.json:2:2: not JSON")
        self.assert_fails(sextant("import", self.folder / "none.json", "--out", out), 2, "none.json", "No such file")
        self.assert_fails(sextant("import", self.folder, "--out", out), 2, self.folder, "found a directory")
        self.assert_fails(sextant("import", CONFIGS / "dbrx.json", "--out", out, "--capacity-factor", 0), 2,
                          "--capacity-factor")
        self.assert_fails(sextant("import", CONFIGS / "dbrx.json", "--out", self.folder / "missing/n.yaml"), 2,
                          "missing/n.yaml")
        self.assert_fails(sextant("import", CONFIGS / "dbrx.json"), 2, "--out")
        self.assertFalse(out.exists())


class WholeLoop(CommandLine):
    def test_profile_plan_train_report(self):
        def succeed(result):
            self.assertEqual(result.returncode, 0, result.stderr)
            return result

        cluster_file = self.folder / "measured.yaml"
        arguments = ["--network", self.folder / "network.yaml", "--sequence", 16, "--micro-batch", "1,2", "--quick",
                     "--json", "--out", cluster_file]
        if MPIRUN:
            profile = succeed(sextant("profile", *arguments, ranks=2))
        else:
            profile = succeed(sextant("profile", *arguments, "--ranks", 2))
        self.assertEqual(json.loads(profile.stdout)["devices_per_node"], 2)
        succeed(sextant("plan", "--network", self.folder / "network.yaml", "--cluster", cluster_file,
                        "--global-batch", 4, "--sequence", 16, "--out", self.folder / "plan.yaml"))
        trained = succeed(self.train(cluster=cluster_file))
        self.assertNotIn("warning", trained.stderr)
        succeed(sextant("report", self.folder / "run", self.folder / "plan.yaml", "--out", self.folder / "r.html"))
        refit = sextant("profile", "--refit", self.folder / "run", "--cluster", cluster_file, "--json", "--out",
                        self.folder / "refitted.yaml")
        self.assertIn(refit.returncode, (0, 3), refit.stderr)  # a moment's run may be odder than its prediction
        found = json.loads(refit.stdout)
        self.assertEqual(abs(found["error_after"]) > abs(found["error_before"]) + 1e-6, refit.returncode == 3)
        self.assertEqual((self.folder / "refitted.yaml").exists(), refit.returncode == 0)
        self.assertIn("</html>", (self.folder / "r.html").read_text(encoding="utf-8"))


class Experiments(CommandLine):
    FILE = """\
schema: sextant/experiment@1
cluster: cluster.yaml
networks: {file: network.yaml, vary: {top_k: [1, 2]}}
batch: 4
sequence: 16
layouts: [{dp: 2, ep: 2}, {tp: 2, esp: 2}, {ep: 3}]
schedules: [sequential, tutel, fsmoe]
degrees: 2
reference: tutel
steps: 3
warmup_steps: 1
repeats: 2
"""

    def experiment(self, *flags, text=FILE, memory="1 GiB"):
        self.write("e.yaml", text)
        backend = "mpi" if MPIRUN else "local"
        self.write("cluster.yaml", cluster(memory).replace("backend: local", f"backend: {backend}"))
        return sextant("experiment", self.folder / "e.yaml", "--out", self.folder / "out", *flags,
                       ranks=2 if MPIRUN else 0)

    def rows(self, name):
        with open(self.folder / "out" / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def test_the_summary_follows_from_the_rows(self):
        result = self.experiment("--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("24/24", result.stderr)
        summary = json.loads((self.folder / "out/summary.json").read_text())
        self.assertEqual(json.loads(result.stdout), summary)
        rows = self.rows("results.csv")
        self.assertEqual(list(rows[0]), ["name", "schedule", "layout", "r_fwd", "r_bwd", "predicted_s", "measured_s",
                                         "measured_p10_s", "measured_p90_s", "error"])
        # 2 networks x 2 layouts x 3 schedules; ep 3 has no layout
        self.assertEqual([len(rows), summary["plans"], len(summary["skipped"])], [12, 12, 2])
        self.assertIn("no layout of 2 ranks", summary["skipped"][0]["reason"])
        for row in rows:
            self.assertAlmostEqual(float(row["error"]), float(row["predicted_s"]) / float(row["measured_s"]) - 1)
            self.assertLessEqual(float(row["measured_p10_s"]), float(row["measured_s"]))
            self.assertLessEqual(float(row["measured_s"]), float(row["measured_p90_s"]))
        self.assertAlmostEqual(summary["median_abs_error"],
                               statistics.median(abs(float(row["error"])) for row in rows))
        self.assert_regret(summary, rows)
        self.assert_speedup(summary, rows)
        self.assert_details(summary, rows, self.rows("details.csv"))
        self.assertNotIn("final", summary)
        self.assertFalse((self.folder / "out/final.csv").exists())

    def assert_regret(self, summary, rows):
        regrets = []
        for name in {row["name"] for row in rows}:
            group = [row for row in rows if row["name"] == name]
            taken = min(group, key=lambda row: float(row["predicted_s"]))
            regrets.append(float(taken["measured_s"]) / min(float(row["measured_s"]) for row in group) - 1)
        self.assertEqual(len(regrets), 2)
        self.assertAlmostEqual(summary["regret"], statistics.mean(regrets))

    def assert_speedup(self, summary, rows):
        measured = {(row["name"], row["layout"], row["schedule"]): float(row["measured_s"]) for row in rows}
        ratios = [measured[name, layout, "tutel"] / measured[name, layout, "fsmoe"]
                  for name, layout, schedule in measured if schedule == "tutel"]
        self.assertEqual(summary["speedup_cases"]["fsmoe"], len(ratios))
        self.assertAlmostEqual(summary["speedup"]["fsmoe"], statistics.geometric_mean(ratios))

    def assert_details(self, summary, rows, details):
        bounds = [float(row["measured_s"]) / float(detail["lower_bound_s"]) for row, detail in zip(rows, details)]
        self.assertAlmostEqual(summary["measured_over_lower_bound"], statistics.geometric_mean(bounds))
        for place, row in enumerate(rows):
            self.assertLessEqual(float(details[place]["lower_bound_s"]), float(row["predicted_s"]))
            if row["schedule"] == "sequential":
                simulated = json.loads(sextant("simulate", "--plan", self.folder / f"out/plans/{place + 1:03}.yaml",
                                               "--cluster", self.folder / "out/cluster.yaml", "--json").stdout)
                share = simulated["exposed_communication_s"] / simulated["step_time_s"]
                same = [float(detail["communication_share"]) for detail in details
                        if (detail["name"], detail["layout"]) == (row["name"], row["layout"])]
                self.assertEqual(len(same), 3)
                for found in same:
                    self.assertAlmostEqual(found, share)

    def test_a_final_round_measures_the_pick_and_the_fastest_again(self):
        final = "final: {plans: 2, repeats: 2, steps: 4}\n"
        text = self.FILE.replace("reference: tutel", "reference: [tutel, sequential]") + final
        result = self.experiment(text=text)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("measuring 6 plans again", result.stderr)
        self.assertIn("times as fast as sequential", result.stdout)
        summary = json.loads((self.folder / "out/summary.json").read_text())
        again = self.rows("final.csv")
        for name in summary["final"]["names"]:
            group = [row for row in again if row["name"] == name["name"]]
            self.assertEqual([len(group), name["plans"], len(name["regret_by_repeat"])], [3, 3, 2])
            picked = [row for row in group if row["picked"] == "1"]
            fastest = min(float(row["final_s"]) for row in group)
            self.assertEqual([int(row["plan"]) for row in picked], [name["picked"]["plan"]])
            self.assertAlmostEqual(name["regret"], float(picked[0]["final_s"]) / fastest - 1)
            self.assertEqual(float(picked[0]["predicted_s"]),
                             min(float(row["predicted_s"]) for row in self.rows("results.csv")
                                 if row["name"] == name["name"]))

    def test_every_row_leaves_its_plan_and_its_details(self):
        self.assertEqual(self.experiment().returncode, 0)
        self.assertEqual(len(list((self.folder / "out/plans").iterdir())), 12)
        details = self.rows("details.csv")
        self.assertEqual([row["name"] for row in details], [row["name"] for row in self.rows("results.csv")])
        simulated = sextant("simulate", "--plan", self.folder / "out/plans/001.yaml", "--cluster",
                            self.folder / "out/cluster.yaml", "--json")
        self.assertAlmostEqual(json.loads(simulated.stdout)["step_time_s"],
                               float(self.rows("results.csv")[0]["predicted_s"]))
        steps = self.rows("times.csv")
        self.assertEqual(len(steps), 12 * 2 * 3)
        for number, row in enumerate(self.rows("results.csv"), start=1):
            times = [float(step["step_s"]) for step in steps if int(step["plan"]) == number]
            self.assertAlmostEqual(statistics.median(times), float(row["measured_s"]))
        report = sextant("report", self.folder / "out", "--out", self.folder / "r.html")
        self.assertEqual(report.returncode, 0, report.stderr)

    def test_a_finished_experiment_is_replaced_only_by_force(self):
        self.assertEqual(self.experiment().returncode, 0)
        self.assert_fails(self.experiment(), 2, self.folder / "out", "--force")
        self.assertEqual(self.experiment("--force").returncode, 0)

    def test_a_mistake_in_the_file_is_told_with_its_place(self):
        self.assert_fails(self.experiment(text=self.FILE.replace("repeats", "repeat")), 2, "e.yaml:12:", "repeats")
        self.assert_fails(self.experiment(text=self.FILE.replace("[1, 2]", "[1, 9]")), 2, "top_k")
        self.assert_fails(self.experiment("--cluster", self.folder / "none.yaml"), 2, "none.yaml")
        self.assertFalse((self.folder / "out").exists())

    def test_an_experiment_without_a_feasible_plan_says_why(self):
        self.assert_fails(self.experiment(memory="1 KiB"), 3, "no feasible plan", "memory")
        self.assertFalse((self.folder / "out/summary.json").exists())


class Refit(CommandLine):
    """Runs whose measured spans were put into summary.json by hand."""

    def setUp(self):
        super().setUp()
        self.backend = "mpi" if MPIRUN else "local"
        self.cluster = self.write("cluster.yaml", cluster().replace("backend: local", f"backend: {self.backend}"))
        self.make_plan("--schedule", "sequential")
        result = self.train(cluster=self.cluster)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.summary = json.loads((self.folder / "run/summary.json").read_text(encoding="utf-8"))

    def measure(self, spans):
        """Every rank's spans of a task are spans(start, end) of the predicted ones."""
        for task in self.summary["timeline"]["tasks"]:
            task["measured"] = {rank: spans(*task["predicted"]) for rank in ("0", "1")}
        self.summary["step_time_s"]["mean"] = max(task["measured"]["0"][1] for task in self.summary["timeline"]["tasks"])
        self.write("run/summary.json", json.dumps(self.summary))

    def refit(self, *options):
        return sextant("profile", "--refit", self.folder / "run", "--cluster", self.cluster, *options)

    def test_a_run_twice_as_slow_makes_the_cluster_twice_as_slow(self):
        self.measure(lambda start, end: [2 * start, 2 * end])
        result = self.refit("--json", "--out", self.folder / "new.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertAlmostEqual(found["error_before"], -0.5)
        self.assertAlmostEqual(found["error_after"], 0.0, places=2)
        self.assertTrue(found["most_wrong"])
        text = (self.folder / "new.yaml").read_text(encoding="utf-8")
        self.assertIn("refitted from run run of " + self.summary["date"], text)
        simulated = sextant("simulate", "--plan", self.folder / "plan.yaml", "--cluster", self.folder / "new.yaml",
                            "--json")
        self.assertEqual(simulated.returncode, 0, simulated.stderr)
        self.assertAlmostEqual(json.loads(simulated.stdout)["step_time_s"], found["predicted_after_s"])
        (self.folder / "new.yaml").rename(self.cluster)
        self.assertIn("costs: made for this test; refitted from run run of " + self.summary["date"],
                      self.plan().stdout)

    def test_a_run_as_predicted_leaves_the_file_as_it_was(self):
        self.measure(lambda start, end: [start, end])
        before = self.refit("--out", self.folder / "a.yaml")
        self.assertEqual(before.returncode, 0, before.stderr)
        self.assertIn("nothing was wrong", before.stdout)
        self.assertNotIn("refitted", (self.folder / "a.yaml").read_text(encoding="utf-8"))

    def test_without_out_the_cluster_file_is_replaced(self):
        self.measure(lambda start, end: [2 * start, 2 * end])
        result = self.refit()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("most wrong: ", result.stdout)
        self.assertIn("refitted from run run", self.cluster.read_text(encoding="utf-8"))

    def test_a_worse_prediction_is_told_and_not_written(self):
        # Everything at once and each task twice as long: kernels are slower, and yet the step was shorter.
        self.measure(lambda start, end: [0, 2 * (end - start)])
        result = self.refit("--out", self.folder / "new.yaml")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("predicts the run's own step worse than before; nothing was written", result.stderr)
        self.assertFalse((self.folder / "new.yaml").exists())

    def test_what_is_no_run_of_this_cluster_is_told(self):
        profile = ["profile", "--refit", self.folder / "run"]
        self.assert_fails(sextant(*profile), 2, "--cluster")
        self.assert_fails(sextant(*profile, "--cluster", self.cluster, "--quick"), 2, "--quick", "--refit")
        self.assert_fails(sextant("profile", "--cluster", self.cluster, "--out", self.folder / "c.yaml"), 2, "--refit")
        self.assert_fails(sextant("profile", "--refit", self.folder, "--cluster", self.cluster), 2,
                          "holds no finished run")
        self.assert_fails(sextant(*profile, "--cluster", SHIPPED / "clusters/dgx_h100.yaml"), 2, "dgx_h100.yaml",
                          "is a reference cluster")
        larger = self.write("larger.yaml", cluster().replace("devices_per_node: 2", "devices_per_node: 4"))
        self.assert_fails(sextant(*profile, "--cluster", larger), 2, "a run of 1 nodes of 2 ranks", "has 1 of 4")
        self.assert_fails(self.refit("--out", self.folder / "missing/c.yaml"), 2, "missing/c.yaml")
        del self.summary["timeline"]["tasks"][1]["measured"]["1"]
        self.write("run/summary.json", json.dumps(self.summary))
        self.assert_fails(self.refit(), 2, "summary.json: timeline, task 1", "has 1 ranks, the plan has 2")
        self.write("run/summary.json", "[" * 100000)
        self.assert_fails(self.refit(), 2, "summary.json:1: is not JSON")


class Training(CommandLine):
    def setUp(self):
        super().setUp()
        self.make_plan()

    def test_a_run_leaves_its_folder(self):
        result = self.train(cluster=self.folder / "cluster.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("step 6/6", result.stderr)
        self.assertIn("predicted", result.stdout)
        run = self.folder / "run"
        names = sorted(path.name for path in run.iterdir())
        self.assertEqual(names, ["checkpoint.safetensors", "cluster.yaml", "log.jsonl", "plan.yaml", "summary.json",
                                 "trace.json"])
        log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        self.assertEqual([entry["step"] for entry in log], [1, 2, 3, 4, 5, 6])
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual(summary["ranks"], 2)
        self.assertEqual(summary["backend"], "mpi" if MPIRUN else "local")
        self.assertAlmostEqual(summary["prediction_error"],
                               summary["predicted_step_time_s"] / summary["step_time_s"]["mean"] - 1)
        self.assertEqual(set(summary["timeline"]["tasks"][0]["measured"]), {"0", "1"})
        processes = [event["args"]["name"] for event in json.loads((run / "trace.json").read_text())["traceEvents"]
                     if event["name"] == "process_name"]
        self.assertEqual(sorted(processes), ["rank 0", "rank 0 predicted", "rank 1", "rank 1 predicted"])

    def test_a_cluster_of_another_back_end_is_warned_of(self):
        other = "local" if MPIRUN else "mpi"
        text = cluster().replace("backend: local", f"backend: {other}")
        result = self.train(cluster=self.write("other.yaml", text))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"was measured with back end {other}", result.stderr)

    def test_json_prints_the_summary_alone(self):
        result = self.train("--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["steps"], 6)

    def test_the_same_seed_gives_the_same_losses(self):
        def losses(seed):
            result = self.train("--force", seed=seed)
            self.assertEqual(result.returncode, 0, result.stderr)
            return [json.loads(line)["loss"] for line in (self.folder / "run/log.jsonl").read_text().splitlines()]

        self.assertEqual(losses(7), losses(7))
        self.assertNotEqual(losses(7), losses(8))

    def test_a_searched_order_trains_as_the_sequential_one(self):
        losses = []
        for schedule in ("sequential", "searched"):
            self.make_plan("--schedule", schedule, "--fix", "ep=2", "--micro-batch", 1)
            result = self.train("--json", out=self.folder / schedule)
            self.assertEqual(result.returncode, 0, result.stderr)
            log = (self.folder / schedule / "log.jsonl").read_text().splitlines()
            losses.append([json.loads(line)["loss"] for line in log])
        self.assertEqual(len(losses[0]), 6)
        for sequential, searched in zip(*losses):
            self.assertAlmostEqual(sequential, searched, delta=1e-5 * sequential)

    def test_a_run_goes_on_from_its_checkpoint(self):
        self.assertEqual(self.train(steps=4).returncode, 0)
        self.assert_fails(self.train("--resume", steps=4), 2, "nothing is left to do")
        result = self.train("--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        log = [json.loads(line)["step"] for line in (self.folder / "run/log.jsonl").read_text().splitlines()]
        self.assertEqual(log, [1, 2, 3, 4, 5, 6])

    def test_a_finished_run_is_replaced_only_by_force(self):
        self.assertEqual(self.train().returncode, 0)
        before = (self.folder / "run/summary.json").read_text()
        self.assert_fails(self.train(), 2, self.folder / "run", "--force")
        self.assertEqual((self.folder / "run/summary.json").read_text(), before)
        self.assertEqual(self.train("--force").returncode, 0)

    def test_a_plan_for_another_rank_count_is_refused(self):
        self.assert_fails(self.train(ranks=3), 2, "plan needs 2 ranks", "this job has 3")
        self.assertFalse((self.folder / "run").exists())

    def test_data_that_cannot_be_used_is_told(self):
        missing = self.folder / "nowhere"
        self.assert_fails(self.train(data=missing), 2, missing, "no such file or folder")
        short = self.write("short.txt", "too short")
        self.assert_fails(self.train(data=short), 2, short, "9 bytes", "at least 17")
        self.assertFalse((self.folder / "run").exists())

    def test_an_unwritable_run_folder_is_told(self):
        file = self.write("file", "in the way")
        self.assert_fails(self.train(out=file / "run"), 2, file, "Not a directory")

    def test_a_broken_plan_is_told_with_its_place(self):
        text = (self.folder / "plan.yaml").read_text()
        self.write("plan.yaml", text.replace("policy:", "polcy:"))
        self.assert_fails(self.train(), 2, "plan.yaml:", "polcy")
        self.assert_fails(self.train(plan=self.folder / "none.yaml"), 2, "none.yaml")

    def test_a_diverging_run_ends_without_results(self):
        result = self.train(learning_rate="1e30", warmup_steps=0, steps=50)
        self.assert_fails(result, 2, "lower learning rate")
        self.assertFalse((self.folder / "run/summary.json").exists())
        self.assertFalse((self.folder / "run/log.jsonl").exists())


if __name__ == "__main__":
    SEXTANT = sys.argv[1]
    MPIRUN = sys.argv[2] if len(sys.argv) > 2 else ""
    suites = ["Experiments", "Training", "WholeLoop"] if MPIRUN else None
    unittest.main(argv=sys.argv[:1], defaultTest=suites, verbosity=2)
