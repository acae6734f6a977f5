// Networks of the Hugging Face hub as networks of ours.
//
// One key means different things in different families: `intermediate_size` is the width of an expert in
// mixtral, olmoe and gpt_oss, that of a dense layer elsewhere.
#pragma once

#include <string>

#include "models/network.h"
#include "tools/hugging_face/json_config.h"

namespace sextant {

struct ImportOptions {
  std::string name;
  // These networks drop no tokens. With 1 an expert has room for the rows of a balanced router, which is
  // what a dropless step costs under balanced load.
  double capacity_factor = 1.0;
};

// "mixtral, qwen2_moe, ...": the values of model_type that are understood.
[[nodiscard]] std::string importable_model_types();

// Throws ConfigError naming file and key, with what was found and what is allowed. Keys without influence
// on sizes and costs are ignored; those that ask for a part which Network cannot describe are refused.
[[nodiscard]] Network network_from_hugging_face(const JsonConfig& config, const ImportOptions& options);

}  // namespace sextant
