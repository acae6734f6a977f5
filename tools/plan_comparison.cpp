#include "tools/plan_comparison.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/error.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

// b - a, where it is more than the rounding of sums.
template <typename Quantity>
Quantity rounded_difference(Quantity a, Quantity b) {
  constexpr double kRounding = 1e-12;
  const double scale = std::max(std::abs(a.value()), std::abs(b.value()));
  return std::abs((b - a).value()) <= kRounding * scale ? Quantity(0.0) : b - a;
}

template <typename Quantity>
std::string signed_text(Quantity value) {
  if (value.value() == 0.0) return "=";
  return (value.value() < 0.0 ? "-" : "+") + to_text(Quantity(std::abs(value.value())));
}

Seconds step_difference(const PlanComparison& c) {
  return rounded_difference(c.a.prediction.step_time, c.b.prediction.step_time);
}

Bytes memory_difference(const PlanComparison& c) {
  return rounded_difference(c.a.prediction.peak_memory, c.b.prediction.peak_memory);
}

std::vector<DecisionDifference> differing_decisions(const PlanAccount& a, const PlanAccount& b) {
  std::vector<DecisionDifference> result;
  for (std::size_t i = 0; i < a.decisions.size(); ++i) {
    const auto& [name, value] = a.decisions[i];
    if (value != b.decisions[i].second) result.push_back({name, value, b.decisions[i].second});
  }
  return result;
}

TimeDifference& entry_for(std::vector<TimeDifference>& differences, const TimeTerm& term) {
  const auto same = std::ranges::find_if(
      differences, [&](const TimeDifference& other) { return other.group == term.group && other.name == term.name; });
  if (same != differences.end()) return *same;
  // Behind the last of its group, so that groups stay together.
  const auto last = std::find_if(differences.rbegin(), differences.rend(),
                                 [&](const TimeDifference& other) { return other.group == term.group; });
  return *differences.insert(last == differences.rend() ? differences.end() : last.base(),
                             {term.group, term.name, "", "", Seconds(), Seconds()});
}

std::vector<TimeDifference> time_differences(const PlanAccount& a, const PlanAccount& b) {
  std::vector<TimeDifference> result;
  for (const TimeTerm& term : a.times) {
    TimeDifference& entry = entry_for(result, term);
    entry.a += term.time;
    entry.links_a = term.links;
  }
  for (const TimeTerm& term : b.times) {
    TimeDifference& entry = entry_for(result, term);
    entry.b += term.time;
    entry.links_b = term.links;
  }
  std::erase_if(result, [](const TimeDifference& d) { return d.a == Seconds(0.0) && d.b == Seconds(0.0); });
  return result;
}

std::vector<MemoryDifference> memory_differences(const PlanAccount& a, const PlanAccount& b) {
  std::vector<MemoryDifference> result;
  for (const MemoryTerm& term : a.memory) result.push_back({term.name, term.bytes, Bytes()});
  for (const MemoryTerm& term : b.memory) {
    const auto same = std::ranges::find(result, term.name, &MemoryDifference::name);
    if (same == result.end()) {
      result.push_back({term.name, Bytes(), term.bytes});
    } else {
      same->b = term.bytes;
    }
  }
  std::erase_if(result, [](const MemoryDifference& d) { return d.a == Bytes(0.0) && d.b == Bytes(0.0); });
  return result;
}

// Of the terms that moved as the total did, the one that moved most.
template <typename Difference, typename Quantity>
std::optional<Difference> deciding(const std::vector<Difference>& terms, Quantity total) {
  if (terms.empty() || total == Quantity(0.0)) return std::nullopt;
  const double sign = total > Quantity(0.0) ? 1.0 : -1.0;
  const auto moved = [sign](const Difference& d) { return sign * d.difference().value(); };
  const auto most = std::ranges::max_element(terms, {}, moved);
  return moved(*most) > 0.0 ? std::optional<Difference>(*most) : std::nullopt;
}

// ---- text ----

std::string row_text(const std::string& name, const std::string& a, const std::string& b,
                     const std::string& difference = "") {
  return fmt::format("  {:<34}{:>20}{:>20}{}\n", name, a, b,
                     difference.empty() ? "" : fmt::format("{:>15}", difference));
}

// "inter", or "intra -> inter" where the plans differ.
std::string links_of(const TimeDifference& d) {
  if (d.links_a.empty() || d.links_b.empty() || d.links_a == d.links_b) {
    return d.links_a.empty() ? d.links_b : d.links_a;
  }
  return fmt::format("{} -> {}", d.links_a, d.links_b);
}

// "exposed dispatch on the inter tier", with the tier of the plan in which it takes longer.
std::string phrase(const TimeDifference& d) {
  std::string name = d.name;
  std::ranges::replace(name, '_', ' ');
  const std::string& links = d.b >= d.a && !d.links_b.empty() ? d.links_b : d.links_a;
  if (links.empty()) return d.group == d.name || d.group == "waiting" ? d.group : fmt::format("{} ({})", name, d.group);
  return fmt::format("exposed {} on the {} tier", name, links);
}

std::string head_text(const PlanComparison& c) {
  std::string text;
  for (const auto& [label, plan] : {std::pair{"A", &c.a}, std::pair{"B", &c.b}}) {
    text += fmt::format("{}  {}: {} on {}, {}\n", label, plan->path, plan->network, plan->cluster, plan->schema);
  }
  if (c.a.network_hash != c.b.network_hash) text += "the networks differ\n";
  if (c.a.cluster_hash != c.b.cluster_hash) text += "the cluster files differ\n";
  return text + "\n";
}

std::string decisions_text(const PlanComparison& c) {
  if (c.decisions.empty()) return "nothing is decided differently\n\n";
  std::string text = row_text("decided differently", "A", "B");
  for (const DecisionDifference& d : c.decisions) text += row_text(d.name, d.a, d.b);
  return text + "\n";
}

std::string times_text(const PlanComparison& c) {
  std::string text = row_text("time of a step", "A", "B", "B - A");
  const std::string* group = nullptr;
  for (const TimeDifference& d : c.times) {
    if (group == nullptr || *group != d.group) text += fmt::format("  {}\n", d.group);
    group = &d.group;
    const std::string links = links_of(d);
    const std::string name = links.empty() ? d.name : fmt::format("{} ({})", d.name, links);
    text += row_text("  " + name, to_text(d.a), to_text(d.b), signed_text(rounded_difference(d.a, d.b)));
  }
  const auto row = [&](const char* name, Seconds Prediction::*member) {
    const Seconds a = c.a.prediction.*member, b = c.b.prediction.*member;
    text += row_text(name, to_text(a), to_text(b), signed_text(rounded_difference(a, b)));
  };
  row("step time", &Prediction::step_time);
  row("of which exposed communication", &Prediction::exposed_communication);
  row("lower bound", &Prediction::lower_bound);
  const auto interval = [](const Prediction& p) {
    return fmt::format("{}..{}", to_text(p.step_time_low), to_text(p.step_time_high));
  };
  text += row_text("interval", interval(c.a.prediction), interval(c.b.prediction));
  const double a = c.a.prediction.tokens_per_s_per_device, b = c.b.prediction.tokens_per_s_per_device;
  text +=
      row_text("tokens/s/device", fmt::format("{:.0f}", a), fmt::format("{:.0f}", b), fmt::format("{:+.0f}", b - a));
  if (c.times.empty()) text += "  (--cluster FILE prices the tasks, and so the parts of the step)\n";
  return text + "\n";
}

std::string busy_text(const PlanComparison& c) {
  if (c.a.busy.empty() && c.b.busy.empty()) return "";
  std::string text = row_text("busy in a step", "A", "B", "B - A");
  for (const char* resource : {"compute", "intra", "inter", "host"}) {
    const auto time = [&](const PlanAccount& account) {
      const auto found = std::ranges::find(account.busy, resource, &BusyTime::resource);
      return found == account.busy.end() ? Seconds() : found->time;
    };
    const Seconds a = time(c.a), b = time(c.b);
    if (a > Seconds(0.0) || b > Seconds(0.0)) {
      text += row_text(resource, to_text(a), to_text(b), signed_text(rounded_difference(a, b)));
    }
  }
  return text + "\n";
}

std::string memory_text(const PlanComparison& c) {
  std::string text = row_text("memory of a device", "A", "B", "B - A");
  for (const MemoryDifference& d : c.memory) {
    text += row_text(d.name, to_text(d.a), to_text(d.b), signed_text(rounded_difference(d.a, d.b)));
  }
  const Bytes a = c.a.prediction.peak_memory, b = c.b.prediction.peak_memory;
  return text + row_text("peak memory", to_text(a), to_text(b), signed_text(rounded_difference(a, b))) + "\n";
}

std::string memory_verdict(const PlanComparison& c) {
  const Bytes difference = memory_difference(c);
  if (difference == Bytes(0.0)) return "B needs as much memory as A";
  std::string text = fmt::format("B needs {} {} memory than A", to_text(Bytes(std::abs(difference.value()))),
                                 difference > Bytes(0.0) ? "more" : "less");
  if (const auto& term = c.deciding_memory) {
    text += fmt::format(": most by {} of {}", signed_text(term->difference()), term->name);
  }
  return text;
}

std::string time_verdict(const PlanComparison& c) {
  const Seconds a = c.a.prediction.step_time;
  const Seconds difference = step_difference(c);
  if (difference == Seconds(0.0)) return "B takes as long as A";
  std::string text = fmt::format("B is {} ({:.1f} %) {} than A", to_text(Seconds(std::abs(difference.value()))),
                                 100.0 * std::abs(difference / a), difference > Seconds(0.0) ? "slower" : "faster");
  if (const auto& term = c.deciding_time) {
    text += fmt::format(": most by {} {}", signed_text(term->difference()), phrase(*term));
  }
  return text;
}

// ---- JSON ----

Json plan_json(const PlanAccount& account) {
  const Prediction& p = account.prediction;
  Json decisions = Json::object(), busy = Json::object();
  for (const auto& [name, value] : account.decisions) decisions[name] = value;
  for (const BusyTime& resource : account.busy) busy[resource.resource] = resource.time.value();
  return {{"path", account.path},
          {"schema", account.schema},
          {"network", account.network},
          {"cluster", account.cluster},
          {"network_hash", account.network_hash},
          {"cluster_hash", account.cluster_hash},
          {"decisions", std::move(decisions)},
          {"step_time_s", p.step_time.value()},
          {"step_time_interval_s", {p.step_time_low.value(), p.step_time_high.value()}},
          {"exposed_communication_s", p.exposed_communication.value()},
          {"busy_s", std::move(busy)},
          {"peak_memory_bytes", p.peak_memory.value()},
          {"tokens_per_s_per_device", p.tokens_per_s_per_device},
          {"mfu", p.mfu}};
}

Json term_json(const TimeDifference& d) {
  return {{"term", d.name},
          {"class", d.group},
          {"links_a", d.links_a},
          {"links_b", d.links_b},
          {"a_s", d.a.value()},
          {"b_s", d.b.value()},
          {"difference_s", d.difference().value()}};
}

Json term_json(const MemoryDifference& d) {
  return {{"term", d.name},
          {"a_bytes", d.a.value()},
          {"b_bytes", d.b.value()},
          {"difference_bytes", d.difference().value()}};
}

}  // namespace

PlanComparison compare_plans(PlanAccount a, PlanAccount b) {
  if (a.schema != b.schema) {
    throw ConfigError(fmt::format("--compare: {} is {}, {} is {}: plans and setups have no terms in common", a.path,
                                  a.schema, b.path, b.schema));
  }
  PlanComparison c{.a = std::move(a), .b = std::move(b)};
  c.decisions = differing_decisions(c.a, c.b);
  c.times = time_differences(c.a, c.b);
  c.memory = memory_differences(c.a, c.b);
  c.deciding_time = deciding(c.times, step_difference(c));
  c.deciding_memory = deciding(c.memory, memory_difference(c));
  return c;
}

std::string comparison_text(const PlanComparison& c) {
  return head_text(c) + decisions_text(c) + times_text(c) + busy_text(c) + memory_text(c) + memory_verdict(c) + "\n" +
         time_verdict(c) + "\n";
}

std::string comparison_json(const PlanComparison& c) {
  Json json{{"a", plan_json(c.a)}, {"b", plan_json(c.b)}};
  json["decisions"] = Json::object();
  for (const DecisionDifference& d : c.decisions) json["decisions"][d.name] = {d.a, d.b};
  json["terms"] = Json::array();
  for (const TimeDifference& d : c.times) json["terms"].push_back(term_json(d));
  json["memory"] = Json::array();
  for (const MemoryDifference& d : c.memory) json["memory"].push_back(term_json(d));
  json["step_time_difference_s"] = step_difference(c).value();
  json["peak_memory_difference_bytes"] = memory_difference(c).value();
  json["deciding_term"] = c.deciding_time ? term_json(*c.deciding_time) : Json(nullptr);
  json["deciding_memory_term"] = c.deciding_memory ? term_json(*c.deciding_memory) : Json(nullptr);
  json["verdict"] = time_verdict(c);
  return json.dump() + "\n";
}

}  // namespace sextant
