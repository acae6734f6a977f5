// Networks and clusters by the names that the field uses for them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "models/cluster.h"
#include "models/network.h"

namespace sextant {

// Letters and digits only, in lower case: "Mixtral-8x7B" and "mixtral_8x7b" are one name.
[[nodiscard]] std::string normalized_name(std::string_view name);

// Every file of a folder under its name and its aliases. The first of two files with one name, in order of
// path, keeps it.
class Catalogue {
 public:
  // `configs` holds networks/ and clusters/; only clusters with a reference are taken. Throws ConfigError where
  // a folder is missing or a file is wrong.
  explicit Catalogue(const std::filesystem::path& configs);

  // Null where nothing has that name.
  [[nodiscard]] const Network* network(std::string_view name) const;
  [[nodiscard]] const Cluster* cluster(std::string_view name) const;

 private:
  std::map<std::string, Network> networks_;
  std::map<std::string, Cluster> clusters_;
};

}  // namespace sextant
