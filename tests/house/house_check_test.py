#!/usr/bin/env python3
"""The house checks find planted violations and accept what is allowed."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import house_check  # noqa: E402


class PlantedTree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def plant(self, path, text=""):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def violations(self, check):
        return list(check(self.root))

    def assert_one(self, check, *words):
        found = self.violations(check)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])


class IncludeOrder(PlantedTree):
    def test_a_folder_may_include_itself_and_those_before_it(self):
        self.plant("models/units.h")
        self.plant("planner/plan.h", '#include <vector>\n#include "models/units.h"\n#include "planner/plan.h"\n')
        self.plant("tests/fakes/fake.h", '#include "planner/plan.h"\n')
        self.plant("tests/planner/plan_test.cpp", '#include <gtest/gtest.h>\n#include "tests/fakes/fake.h"\n')
        self.assertEqual(self.violations(house_check.include_order), [])

    def test_a_later_folder_is_refused_with_file_and_line(self):
        self.plant("planner/plan.h")
        self.plant("models/units.h", '#pragma once\n  #  include "planner/plan.h"\n')
        self.assert_one(house_check.include_order, "models/units.h:2:", "planner/plan.h")

    def test_the_tests_of_a_folder_obey_its_order(self):
        self.plant("tools/report.h")
        self.plant("tests/models/units_test.cpp", '#include "tools/report.h"\n')
        self.assert_one(house_check.include_order, "tests/models/units_test.cpp:1:")

    def test_sources_do_not_include_tests(self):
        self.plant("tests/fakes/fake.h")
        self.plant("tools/main.cpp", '#include "tests/fakes/fake.h"\n')
        self.assert_one(house_check.include_order, "tools/main.cpp:1:")

    def test_paths_start_at_the_root(self):
        self.plant("models/units.h")
        self.plant("models/units.cpp", '#include "units.h"\n')
        self.assert_one(house_check.include_order, "models/units.cpp:1:", "root")

    def test_each_library_has_its_only_home(self):
        homes = {
            "Eigen/Dense": "models/linear_fit.cpp",
            "yaml-cpp/yaml.h": "models/yaml_io.cpp",
            "nlopt.hpp": "planner/pipeline_degree.cpp",
            "mpi.h": "executor/runtime/mpi/world.cpp",
            "cblas.h": "executor/layers/blas/double.cpp",
            "dnnl.h": "executor/layers/blas/single.cpp",
            "cuda_runtime.h": "executor/runtime/cuda/device.cpp",
            "nccl.h": "executor/runtime/nccl/communicator.cpp",
            "CLI/CLI.hpp": "tools/main.cpp",
            "nlohmann/json.hpp": "tools/report/report.cpp",
            "gtest/gtest.h": "tests/models/units_test.cpp",
        }
        for header, home in homes.items():
            self.plant(home, f"#include <{header}>\n")
        self.assertEqual(self.violations(house_check.include_order), [])
        for header in homes:
            self.plant("profiler/profile.cpp", f"\n#include <{header}>\n")
            self.assert_one(house_check.include_order, "profiler/profile.cpp:2:", header)


class Mirror(PlantedTree):
    def test_a_source_without_test_is_named(self):
        self.plant("models/units.cpp")
        self.assert_one(house_check.mirror, "models/units.cpp:1:", "tests/models/units_test.cpp")

    def test_a_source_with_test_is_accepted(self):
        self.plant("models/units.cpp")
        self.plant("tests/models/units_test.cpp")
        self.assertEqual(self.violations(house_check.mirror), [])

    def test_a_test_without_source_is_named(self):
        self.plant("tests/models/units_test.cpp")
        self.assert_one(house_check.mirror, "tests/models/units_test.cpp:1:")

    def test_a_test_of_a_contract_may_say_so(self):
        self.plant("tests/executor/collectives_test.cpp")
        self.plant(house_check.EXCEPTIONS, "tests/executor/collectives_test.cpp: what every communicator promises\n")
        self.assertEqual(self.violations(house_check.mirror), [])

    def test_an_exception_names_a_test_that_exists(self):
        self.plant("tools/main.cpp")
        self.plant(house_check.EXCEPTIONS, "# reasons\ntools/main.cpp: tests/golden/help.txt\n")
        self.assert_one(house_check.mirror, house_check.EXCEPTIONS + ":2:")
        self.plant("tests/golden/help.txt")
        self.assertEqual(self.violations(house_check.mirror), [])

    def test_an_exception_that_is_no_longer_needed_is_named(self):
        self.plant("models/units.cpp")
        self.plant("tests/models/units_test.cpp")
        self.plant(house_check.EXCEPTIONS, "models/units.cpp: too simple\nmodels/gone.cpp: was simple\n")
        self.assertEqual(len(self.violations(house_check.mirror)), 2)


class Listed(PlantedTree):
    def test_a_stray_source_is_named(self):
        self.plant("executor/CMakeLists.txt", "runtime/groups.cpp my_trainer.cpp")
        self.plant("executor/layers/CMakeLists.txt", "../graph.cpp)")
        self.plant("executor/runtime/groups.cpp")
        self.plant("executor/graph.cpp")
        self.plant("executor/my_trainer.cpp")
        self.assertEqual(self.violations(house_check.listed), [])
        self.plant("executor/trainer.cpp")
        self.assert_one(house_check.listed, "executor/trainer.cpp:1:")


class Leftovers(PlantedTree):
    def test_a_leftover_is_named(self):
        self.plant("models/units.cpp", "int a;  // done\nint b;  // TO" "DO: more\n")
        self.assert_one(house_check.leftovers, "models/units.cpp:2:")

    def test_a_merge_left_unresolved_is_named(self):
        self.plant("models/units.cpp", "<" * 7 + " HEAD\nint a;\n" + "=" * 7 + "\nint b;\n")
        self.assert_one(house_check.leftovers, "models/units.cpp:1:")


if __name__ == "__main__":
    unittest.main()
