// report_example OUT: writes the report of an example plan and run to OUT, for a look in a browser.
#include <filesystem>

#include "tests/tools/report/example_folder.h"
#include "tools/report/report.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path out = argv[1];
  const std::filesystem::path folder = out.parent_path() / "report_example";
  std::filesystem::create_directories(folder);
  sextant::write_example_plan(folder / "untrained.yaml");
  sextant::write_example_run(folder / "trained");
  sextant::write_example_experiment(folder / "grid");
  sextant::write_report({folder / "trained", folder / "untrained.yaml", folder / "grid"}, out);
  std::filesystem::remove_all(folder);
  return 0;
}
