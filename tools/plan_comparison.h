// Two plans side by side: what they decide differently, what each term of time and memory makes of it, and the term
// that decides.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/plan_account.h"

namespace sextant {

struct DecisionDifference {
  std::string name;
  std::string a;
  std::string b;
};

// A term of both plans; zero in the plan that lacks it.
struct TimeDifference {
  std::string group;
  std::string name;
  std::string links_a;
  std::string links_b;
  Seconds a;
  Seconds b;
  [[nodiscard]] Seconds difference() const { return b - a; }
};

struct MemoryDifference {
  std::string name;
  Bytes a;
  Bytes b;
  [[nodiscard]] Bytes difference() const { return b - a; }
};

struct PlanComparison {
  PlanAccount a;
  PlanAccount b;
  std::vector<DecisionDifference> decisions;  // those that differ
  std::vector<TimeDifference> times;          // that take time in a or b
  std::vector<MemoryDifference> memory;       // that take memory in a or b
  // Of the terms that move the total the way it moved, the one that moved most; absent where the totals are equal or
  // no terms are known.
  std::optional<TimeDifference> deciding_time;
  std::optional<MemoryDifference> deciding_memory;
};

// Throws ConfigError where one is a plan and the other a setup: their terms have nothing in common.
[[nodiscard]] PlanComparison compare_plans(PlanAccount a, PlanAccount b);

// Tables of what differs, of time and of memory; the last line names the term that decides.
[[nodiscard]] std::string comparison_text(const PlanComparison& comparison);
// One JSON object.
[[nodiscard]] std::string comparison_json(const PlanComparison& comparison);

}  // namespace sextant
