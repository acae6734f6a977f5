#include "executor/runtime/cpu/usable_memory.h"

#include <fstream>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

class UsableMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) / "usable_memory" / test->name();
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void write_meminfo() { write("proc/meminfo", "MemTotal: 4000 kB\nMemFree: 100 kB\nMemAvailable: 2000 kB\n"); }

  fs::path root_;
};

TEST_F(UsableMemory, IsWhatIsAvailable) {
  write_meminfo();
  EXPECT_EQ(usable_memory(root_).value(), 2000.0 * 1024.0);
}

TEST_F(UsableMemory, IsTheLimitOfTheGroupAbove) {
  write_meminfo();
  write("proc/self/cgroup", "0::/jobs/one\n");
  write("sys/fs/cgroup/jobs/memory.max", "1000000\n");
  write("sys/fs/cgroup/jobs/one/memory.max", "max\n");
  EXPECT_EQ(usable_memory(root_).value(), 1e6);
}

TEST_F(UsableMemory, KnowsTheFirstVersionOfControlGroups) {
  write_meminfo();
  write("proc/self/cgroup", "5:cpu,cpuacct:/jobs\n4:memory:/jobs/one\n");
  write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "500000\n");
  EXPECT_EQ(usable_memory(root_).value(), 5e5);
}

TEST_F(UsableMemory, IgnoresLimitsAboveWhatIsAvailable) {
  write_meminfo();
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "9223372036854771712\n");
  EXPECT_EQ(usable_memory(root_).value(), 2000.0 * 1024.0);
}

TEST_F(UsableMemory, UnknownIsAnError) {
  EXPECT_THROW(static_cast<void>(usable_memory(root_)), BackendError);
}

TEST(UsableMemoryHere, IsPositive) {
  EXPECT_GT(usable_memory().value(), 0.0);
}

}  // namespace
}  // namespace sextant
