#include "models/yaml_io.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "models/error.h"
#include "models/plain_text.h"

namespace sextant {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxKeys = 4096;  // of one map; each is compared with all before it
constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

enum class NodeKind { kNull, kScalar, kList, kMap };

std::string location(const std::string& origin, const YAML::Mark& mark) {
  if (mark.is_null()) return origin;
  return fmt::format("{}:{}:{}", origin, mark.line + 1, mark.column + 1);  // marks count from 0
}

// "path:line:column: message" on one line, whatever of the user's text is in the message.
[[noreturn]] void refuse(const std::string& origin, const YAML::Mark& mark, std::string_view message) {
  constexpr std::size_t kMaxMessage = 2000;
  throw ConfigError(fmt::format("{}: {}", location(origin, mark), one_line(message, kMaxMessage)));
}

// What YAML does not allow outside of escapes (YAML 1.2, production c-printable).
bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

void require_printable_utf8(const std::string& origin, std::string_view text) {
  const auto control = static_cast<std::size_t>(std::ranges::find_if(text, is_control) - text.begin());
  const std::string_view valid = text.substr(0, std::min(utf8_prefix(text), control));
  if (valid.size() == text.size()) return;
  const std::size_t line_start = valid.rfind('\n') + 1;  // npos + 1 is 0
  throw ConfigError(fmt::format("{}:{}:{}: found a {}", origin, 1 + std::count(valid.begin(), valid.end(), '\n'),
                                1 + valid.size() - line_start,
                                valid.size() == control ? "control character" : "byte that is not UTF-8"));
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// " (did you mean "layers"?)" where a name is near enough to be a slip, else nothing.
std::string suggestion(std::string_view key, const std::vector<std::string_view>& allowed) {
  constexpr std::size_t kMaxKey = 64;  // longer ones are no slip, and the distance is quadratic
  if (allowed.empty() || key.size() > kMaxKey) return {};
  const auto nearest = std::min_element(allowed.begin(), allowed.end(), [&](std::string_view a, std::string_view b) {
    return edit_distance(key, a) < edit_distance(key, b);
  });
  if (2 * edit_distance(key, *nearest) > std::max(key.size(), nearest->size())) return {};
  return fmt::format(" (did you mean \"{}\"?)", *nearest);
}

std::string read_text(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw ConfigError(fmt::format("{}: found a directory, expected a YAML file", path.string()));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw ConfigError(fmt::format("{}: cannot be read: {}", path.string(), std::generic_category().message(errno)));
  }
  std::string text;
  std::vector<char> block(std::size_t{1} << 16);
  while (stream && text.size() <= kMaxFileBytes) {
    stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    text.append(block.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad()) throw ConfigError(fmt::format("{}: reading failed", path.string()));
  if (text.size() > kMaxFileBytes) {
    throw ConfigError(fmt::format("{}: larger than {} bytes, the most that is read", path.string(), kMaxFileBytes));
  }
  return text;
}

}  // namespace

struct ConfigNode::Impl {
  std::shared_ptr<const std::string> origin;
  YAML::Mark mark;
  std::string key;  // in the map that holds this node; empty elsewhere
  NodeKind kind = NodeKind::kNull;
  std::string scalar;
  struct Entry {
    std::string key;
    YAML::Mark mark;
    std::shared_ptr<const Impl> value;
  };
  std::vector<Entry> entries;                      // of a map
  std::vector<std::shared_ptr<const Impl>> items;  // of a list

  [[nodiscard]] std::string found() const {
    switch (kind) {
      case NodeKind::kNull:
        return "found nothing";
      case NodeKind::kScalar:
        return "found " + shown(scalar);
      case NodeKind::kList:
        return "found a list";
      case NodeKind::kMap:
        return "found a map";
    }
    return {};
  }
  [[nodiscard]] const Entry* find(std::string_view name) const {
    for (const Entry& entry : entries) {
      if (entry.key == name) return &entry;
    }
    return nullptr;
  }

  class Builder;
};

// Builds our tree from yaml-cpp's events. Its own node class would hide duplicate keys and the
// positions of keys, and share the targets of aliases.
class ConfigNode::Impl::Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::shared_ptr<const std::string> origin) : origin_(std::move(origin)) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) fail(mark, "found a second document, expected one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_plain(mark, {}, anchor);
    add(make(mark, NodeKind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { fail(mark, "aliases are not allowed"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_plain(mark, tag, anchor);
    if (expects_key()) {
      open_key(mark, value);
      return;
    }
    auto node = make(mark, NodeKind::kScalar);
    node->scalar = value;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    check_plain(mark, tag, anchor);
    open(make(mark, NodeKind::kList));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    check_plain(mark, tag, anchor);
    open(make(mark, NodeKind::kMap));
  }
  void OnMapEnd() override { close(); }

  [[nodiscard]] std::shared_ptr<const Impl> root() const { return root_; }

 private:
  [[noreturn]] void fail(const YAML::Mark& mark, std::string_view message) const { refuse(*origin_, mark, message); }
  void check_plain(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != 0) fail(mark, "anchors are not allowed");
    if (!tag.empty() && tag != "?" && tag != "!") fail(mark, "found the tag " + shown(tag) + ", tags are not allowed");
  }
  [[nodiscard]] std::shared_ptr<Impl> make(const YAML::Mark& mark, NodeKind kind) const {
    auto node = std::make_shared<Impl>();
    node->origin = origin_;
    node->mark = mark;
    node->kind = kind;
    return node;
  }
  [[nodiscard]] bool expects_key() const {
    if (stack_.empty() || stack_.back()->kind != NodeKind::kMap) return false;
    const auto& entries = stack_.back()->entries;
    return entries.empty() || entries.back().value != nullptr;
  }
  void open_key(const YAML::Mark& mark, const std::string& key) {
    if (stack_.back()->find(key) != nullptr) fail(mark, "found the key " + shown(key) + " twice in one map");
    if (stack_.back()->entries.size() >= kMaxKeys) fail(mark, fmt::format("more than {} keys in one map", kMaxKeys));
    stack_.back()->entries.push_back({.key = key, .mark = mark, .value = nullptr});
  }
  void add(std::shared_ptr<Impl> node) {
    if (expects_key()) fail(node->mark, node->found() + " as a key, expected a name");
    if (stack_.empty()) {
      root_ = std::move(node);
    } else if (stack_.back()->kind == NodeKind::kList) {
      stack_.back()->items.push_back(std::move(node));
    } else {
      Entry& entry = stack_.back()->entries.back();
      node->key = entry.key;
      if (node->kind == NodeKind::kNull) node->mark = entry.mark;  // yaml-cpp's is that of the next line
      entry.value = std::move(node);
    }
  }
  void open(std::shared_ptr<Impl> node) {
    if (stack_.size() >= kMaxDepth) fail(node->mark, fmt::format("nested deeper than {} levels", kMaxDepth));
    add(node);
    stack_.push_back(std::move(node));
  }
  void close() { stack_.pop_back(); }

  std::shared_ptr<const std::string> origin_;
  std::vector<std::shared_ptr<Impl>> stack_;
  std::shared_ptr<const Impl> root_;
};

ConfigNode ConfigNode::load_file(const std::filesystem::path& path) {
  return parse(read_text(path), path.string());
}

ConfigNode ConfigNode::parse(std::string_view text, std::string origin) {
  auto shared_origin = std::make_shared<const std::string>(std::move(origin));
  require_printable_utf8(*shared_origin, text);
  Impl::Builder builder(shared_origin);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    refuse(*shared_origin, error.mark, "not YAML: " + error.msg);
  }
  if (!builder.root()) throw ConfigError(fmt::format("{}: found nothing, expected a YAML map", *shared_origin));
  return ConfigNode(builder.root());
}

void ConfigNode::fail(std::string_view message) const {
  const std::string subject = impl_->key.empty() ? "" : impl_->key + ": ";
  refuse(*impl_->origin, impl_->mark, fmt::format("{}{}", subject, message));
}

void ConfigNode::expect_keys(std::initializer_list<std::string_view> required,
                             std::initializer_list<std::string_view> optional) const {
  if (!is_map()) fail(fmt::format("{}, expected a map with the keys {}", impl_->found(), fmt::join(required, ", ")));
  std::vector<std::string_view> allowed(required);
  allowed.insert(allowed.end(), optional.begin(), optional.end());
  for (const Impl::Entry& entry : impl_->entries) {
    if (std::find(allowed.begin(), allowed.end(), entry.key) != allowed.end()) continue;
    refuse(*impl_->origin, entry.mark,
           fmt::format("unknown key {}{}; allowed: {}", shown(entry.key), suggestion(entry.key, allowed),
                       fmt::join(allowed, ", ")));
  }
  for (const std::string_view key : required) {
    if (!has(key)) fail(fmt::format("missing key \"{}\"; required: {}", key, fmt::join(required, ", ")));
  }
}

void ConfigNode::expect_schema(std::string_view schema) const {
  const ConfigNode node = (*this)["schema"];
  if (node.as_string() != schema) node.fail(fmt::format("{}, expected \"{}\"", node.impl_->found(), schema));
}

bool ConfigNode::has(std::string_view key) const {
  return impl_->find(key) != nullptr;
}

ConfigNode ConfigNode::operator[](std::string_view key) const {
  if (!is_map()) fail(fmt::format("{}, expected a map with the key \"{}\"", impl_->found(), key));
  const Impl::Entry* entry = impl_->find(key);
  if (entry == nullptr) fail(fmt::format("missing key \"{}\"", key));
  return ConfigNode(entry->value);
}

std::vector<ConfigNode> ConfigNode::items() const {
  if (!is_list()) fail(impl_->found() + ", expected a list");
  std::vector<ConfigNode> result;
  for (const auto& item : impl_->items) result.push_back(ConfigNode(item));
  return result;
}

std::vector<std::pair<std::string, ConfigNode>> ConfigNode::entries() const {
  if (!is_map()) fail(impl_->found() + ", expected a map");
  std::vector<std::pair<std::string, ConfigNode>> result;
  for (const Impl::Entry& entry : impl_->entries) result.emplace_back(entry.key, ConfigNode(entry.value));
  return result;
}

ConfigNode ConfigNode::with(std::string_view key, const ConfigNode& value) const {
  const ConfigNode rest = without(key);
  auto named = std::make_shared<Impl>(*value.impl_);
  named->key = key;
  auto map = std::make_shared<Impl>(*rest.impl_);
  map->entries.push_back({.key = std::string(key), .mark = value.impl_->mark, .value = std::move(named)});
  return ConfigNode(map);
}

ConfigNode ConfigNode::without(std::string_view key) const {
  if (!is_map()) fail(impl_->found() + ", expected a map");
  auto map = std::make_shared<Impl>(*impl_);
  std::erase_if(map->entries, [&](const Impl::Entry& entry) { return entry.key == key; });
  return ConfigNode(map);
}

bool ConfigNode::is_map() const {
  return impl_->kind == NodeKind::kMap;
}
bool ConfigNode::is_list() const {
  return impl_->kind == NodeKind::kList;
}
bool ConfigNode::is_scalar() const {
  return impl_->kind == NodeKind::kScalar;
}

std::string ConfigNode::as_string() const {
  if (!is_scalar()) fail(impl_->found() + ", expected a text");
  return impl_->scalar;
}

bool ConfigNode::as_bool() const {
  if (is_scalar() && impl_->scalar == "true") return true;
  if (is_scalar() && impl_->scalar == "false") return false;
  fail(impl_->found() + ", expected true or false");
}

std::int64_t ConfigNode::as_int(std::int64_t min, std::int64_t max) const {
  const std::string& text = impl_->scalar;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = is_scalar() && error == std::errc() && end == text.data() + text.size();
  if (!is_number || value < min || value > max) {
    fail(fmt::format("{}, expected a whole number in [{}, {}]", impl_->found(), min, max));
  }
  return value;
}

int ConfigNode::as_count(int min) const {
  return static_cast<int>(as_int(min, std::numeric_limits<int>::max()));
}

double ConfigNode::as_double(double min, double max) const {
  const std::string& text = impl_->scalar;
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = is_scalar() && error == std::errc() && end == text.data() + text.size();
  if (!is_number || !std::isfinite(value) || value < min || value > max) {
    fail(fmt::format("{}, expected a plain number in [{}, {}]", impl_->found(), min, max));
  }
  return value;
}

namespace {

// `parse` names the text and what is allowed; the node adds where.
template <typename Quantity>
Quantity parse_at(const ConfigNode& node, Quantity (*parse)(std::string_view)) {
  const std::string text = node.as_string();
  try {
    return parse(text);
  } catch (const ConfigError& error) {
    node.fail(error.what());
  }
}

}  // namespace

Seconds ConfigNode::as_seconds() const {
  return parse_at(*this, parse_seconds);
}
Bytes ConfigNode::as_bytes() const {
  return parse_at(*this, parse_bytes);
}
BytesPerSecond ConfigNode::as_bytes_per_second() const {
  return parse_at(*this, parse_bytes_per_second);
}
FlopsPerSecond ConfigNode::as_flops_per_second() const {
  return parse_at(*this, parse_flops_per_second);
}
SecondsPerByte ConfigNode::as_seconds_per_byte() const {
  return parse_at(*this, parse_seconds_per_byte);
}
SecondsPerFlop ConfigNode::as_seconds_per_flop() const {
  return parse_at(*this, parse_seconds_per_flop);
}

}  // namespace sextant
