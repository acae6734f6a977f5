// Which networks the work of a step (models/work.h), its prices and the executor cover.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "models/network.h"

namespace sextant {

// Nothing where the step model covers every part of the network; else one line that names the network
// and all its parts that are not covered.
[[nodiscard]] std::optional<std::string> unsupported_by_step_model(const Network& network);

// load_network, refusing what the step model does not cover. Throws ConfigError with the path.
[[nodiscard]] Network load_supported_network(const std::filesystem::path& path);

}  // namespace sextant
