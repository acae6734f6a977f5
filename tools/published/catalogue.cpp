#include "tools/published/catalogue.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) throw ConfigError(fmt::format("{}: no such folder", folder.string()));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

template <typename Entry>
void add(std::map<std::string, Entry>& entries, const Entry& entry) {
  entries.try_emplace(normalized_name(entry.name), entry);
  for (const std::string& alias : entry.aliases) entries.try_emplace(normalized_name(alias), entry);
}

template <typename Entry>
const Entry* find(const std::map<std::string, Entry>& entries, std::string_view name) {
  const auto entry = entries.find(normalized_name(name));
  return entry == entries.end() ? nullptr : &entry->second;
}

}  // namespace

std::string normalized_name(std::string_view name) {
  std::string normalized;
  for (const char c : name) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0) normalized += static_cast<char>(std::tolower(letter));
  }
  return normalized;
}

Catalogue::Catalogue(const std::filesystem::path& configs) {
  for (const auto& file : files_of(configs / "networks")) add(networks_, load_network(file));
  for (const auto& file : files_of(configs / "clusters")) {
    if (const Cluster cluster = load_cluster(file); cluster.reference) add(clusters_, cluster);
  }
}

const Network* Catalogue::network(std::string_view name) const {
  return find(networks_, name);
}

const Cluster* Catalogue::cluster(std::string_view name) const {
  return find(clusters_, name);
}

}  // namespace sextant
