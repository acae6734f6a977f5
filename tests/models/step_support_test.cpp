#include "models/step_support.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/work.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::HasSubstr;

std::filesystem::path shipped(const std::string& name) {
  return std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs" / "networks" / (name + ".yaml");
}

TEST(UnsupportedByStepModel, CoversNetworksOfExpertsAlone) {
  for (const char* name : {"quickstart", "mixtral_8x7b", "mixtral_8x22b", "gpt2_xl_moe", "dbrx"}) {
    EXPECT_EQ(unsupported_by_step_model(load_network(shipped(name))), std::nullopt) << name;
    EXPECT_EQ(load_supported_network(shipped(name)).name, load_network(shipped(name)).name);
  }
}

TEST(UnsupportedByStepModel, NamesEveryPartThatIsNotCovered) {
  EXPECT_EQ(unsupported_by_step_model(load_network(shipped("deepseek_v3_mtp"))),
            "network deepseek-v3-mtp cannot be planned or trained: it has dense layers, shared experts, "
            "group-limited routing, multi-head latent attention, biases, multi-token-prediction layers, which the "
            "model of a step does not cover");
  EXPECT_THAT(unsupported_by_step_model(load_network(shipped("gpt_oss_20b"))).value_or(""),
              HasSubstr("sliding-window attention, attention sinks, biases"));
  EXPECT_THAT(unsupported_by_step_model(load_network(shipped("gpt3_175b"))).value_or(""),
              HasSubstr("dense layers, biases, tied embeddings, learned positions"));
  EXPECT_THAT(unsupported_by_step_model(load_network(shipped("olmoe_1b_7b"))).value_or(""),
              HasSubstr("norms of queries and keys"));
}

TEST(LoadSupportedNetwork, NamesTheFileInOneLine) {
  const std::filesystem::path path = shipped("deepseek_v2");
  const std::string message = error_text<ConfigError>([&] { static_cast<void>(load_supported_network(path)); });
  EXPECT_THAT(message, HasSubstr(path.string() + ": network deepseek-v2 cannot be planned or trained"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(Validate, RefusesAStepOfANetworkThatIsNotCovered) {
  const StepShape step{.network = load_network(shipped("llama3_8b")),
                       .layout = ParallelLayout({}, {.nodes = 1, .devices_per_node = 1}),
                       .sequence = 16};
  EXPECT_THAT(error_text<ConfigError>([&] { validate(step); }), HasSubstr("it has dense layers"));
}

}  // namespace
}  // namespace sextant
