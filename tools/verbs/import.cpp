// sextant import: the config.json of a Hugging Face model as a network file.
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "models/network.h"
#include "models/step_support.h"
#include "models/yaml_io.h"
#include "tools/console.h"
#include "tools/hugging_face/network_import.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct ImportArguments {
  std::string config;
  std::string out;
  std::optional<std::string> name;
  double capacity_factor = ImportOptions{}.capacity_factor;
  bool json = false;
};

std::string read_config(const std::filesystem::path& path) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 22;  // real ones have kilobytes
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw ConfigError(fmt::format("{}: found a directory, expected the config.json in it", path.string()));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw ConfigError(fmt::format("{}: cannot be read: {}", path.string(), std::generic_category().message(errno)));
  }
  std::string text(kMaxBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMaxBytes) {
    throw ConfigError(fmt::format("{}: larger than {} bytes, the most that is read", path.string(), kMaxBytes));
  }
  return text;
}

std::string result_json(const Network& network, const std::string& out) {
  nlohmann::ordered_json json{{"name", network.name},
                              {"network", out},
                              {"total_parameters", total_parameters(network)},
                              {"active_parameters", active_parameters(network)},
                              {"mtp_parameters", mtp_parameters(network)}};
  json["supported"] = !unsupported_by_step_model(network).has_value();
  return json.dump(2) + "\n";
}

std::string result_text(const Network& network, const std::string& out) {
  constexpr double kBillion = 1e9;
  const double total = static_cast<double>(total_parameters(network)) / kBillion;
  const double active = static_cast<double>(active_parameters(network)) / kBillion;
  return fmt::format("{}: {:.2f} billion parameters, {:.2f} billion act on a token\nnetwork file: {}\n", network.name,
                     total, active, out);
}

int run_import(const ImportArguments& arguments) {
  require_writable(arguments.out);
  const JsonConfig config = JsonConfig::parse(read_config(arguments.config), arguments.config);
  const ImportOptions options{.name = arguments.name.value_or(std::filesystem::path(arguments.out).stem().string()),
                              .capacity_factor = arguments.capacity_factor};
  const Network network = network_from_hugging_face(config, options);
  write_file_atomically(arguments.out, network_to_yaml(network));
  if (const std::optional<std::string> reason = unsupported_by_step_model(network)) warn(*reason);
  fmt::print("{}", arguments.json ? result_json(network, arguments.out) : result_text(network, arguments.out));
  return 0;
}

}  // namespace

void add_import_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("import", "Turn the config.json of a Hugging Face model into a network file.");
  verb->footer("Understood values of model_type: " + importable_model_types() + ".");
  auto arguments = std::make_shared<ImportArguments>();
  verb->add_option("config", arguments->config, "config.json of the model")->required()->type_name("FILE");
  verb->add_option("--out", arguments->out, "Network file to write")->required()->type_name("FILE");
  verb->add_option("--name", arguments->name, "Name of the network; default: that of the file to write");
  verb->add_option("--capacity-factor", arguments->capacity_factor,
                   "Room of an expert, in multiples of its share under a balanced router; these networks drop no "
                   "tokens, and 1 is what that costs under balanced load")
      ->check(CLI::Range(0.01, 1e4))
      ->capture_default_str();
  verb->add_flag("--json", arguments->json, "Print name, file and parameter counts as one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_import(*arguments); }; });
}

}  // namespace sextant
