#include "models/step_terms.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(StepTerm, NamesEveryTermDifferently) {
  std::set<std::string> names;
  for (int t = 0; t < kNumStepTerms; ++t) names.insert(to_text(StepTerm(t)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kNumStepTerms));
}

TEST(StepTerms, AddTermByTerm) {
  StepTerms terms{}, others{};
  add(terms, StepTerm::kHead, Seconds(1.0));
  add(others, StepTerm::kHead, Seconds(2.0));
  add(others, StepTerm::kBubble, Seconds(3.0));
  add(terms, others, 10.0);
  EXPECT_EQ(terms[static_cast<std::size_t>(StepTerm::kHead)], Seconds(21.0));
  EXPECT_EQ(sum(terms), Seconds(51.0));
}

}  // namespace
}  // namespace sextant
