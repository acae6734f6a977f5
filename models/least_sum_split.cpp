#include "models/least_sum_split.h"

#include <algorithm>
#include <limits>

#include "models/error.h"

namespace sextant {
namespace {

constexpr Seconds kNever{std::numeric_limits<double>::infinity()};

// The last of first, first + 1, ..., last for which `holds`, where it holds for all before one for which it does; first
// - 1 where for none.
template <typename Predicate>
int last_that(int first, int last, Predicate holds) {
  --first;
  while (first < last) {
    const int middle = first + (last - first + 1) / 2;
    if (holds(middle)) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  return first;
}

// The same from `first`, for which it holds: fast where the last one is near.
template <typename Predicate>
int last_from(int first, int last, Predicate holds) {
  int step = 1;
  for (; first + step <= last && holds(first + step); step *= 2) first += step;
  return last_that(first + 1, std::min(last, first + step - 1), holds);
}

}  // namespace

LeastSumSplit::LeastSumSplit(const StageSplitProblem& problem)
    : p_(problem), width_(problem.layers() - problem.stages + 1) {
  SEXTANT_CHECK(p_.stages >= 1 && width_ >= 1, "{} stages of {} layers", p_.stages, p_.layers());
  const std::size_t size = at(p_.stages, 0);
  room_.assign(p_.ways.size(), std::vector<int>(size, kUnknown));
  ranges_.resize(static_cast<std::size_t>(p_.stages) + 1);
  more_.resize(size + static_cast<std::size_t>(width_));
  choices_.resize(size);
  window_.resize(static_cast<std::size_t>(width_));
}

std::size_t LeastSumSplit::at(int stage, int offset) const {
  return static_cast<std::size_t>(stage) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(offset);
}

StageLayers LeastSumSplit::layers(int stage, int offset, int end) const {
  return {stage, stage + offset, stage + 1 + end};
}

// What the first layers take more than in the fastest way.
double LeastSumSplit::more_before(std::size_t way, int layer) const {
  const auto l = static_cast<std::size_t>(layer);
  return (p_.ways[way].before[l] - p_.ways.front().before[l]).value();
}

// The least sum from a stage that begins at an offset is the least more_after of the ends that it may have, plus
// more_at.
double LeastSumSplit::more_after(std::size_t way, int stage, int end) const {
  return more_before(way, stage + 1 + end) + more_[at(stage + 1, end)];
}

double LeastSumSplit::more_at(std::size_t way, int stage, int offset) const {
  const double head = stage + 1 == p_.stages ? (p_.ways[way].head - p_.ways.front().head).value() : 0.0;
  return head - more_before(way, stage + offset);
}

// The last end with which the stage fits, offset - 1 where it does with none: of as few stages as are asked for, since
// a bound that is near the best leaves few.
int LeastSumSplit::room(std::size_t way, int stage, int offset) {
  int& known = room_[way][at(stage, offset)];
  if (known != kUnknown) return known;
  const int of_more_layers = offset > 0 ? room_[way][at(stage, offset - 1)] : kUnknown;
  const int at_least = std::max(offset - 1, of_more_layers);
  known =
      last_from(at_least, width_ - 1, [&](int end) { return !p_.fits || p_.fits(way, layers(stage, offset, end)); });
  return known;
}

// Of a stage, in any way.
int LeastSumSplit::last_end(int stage, int offset, Seconds bound) {
  int last = offset - 1;
  for (std::size_t way = 0; way < p_.ways.size(); ++way) {
    const int room = this->room(way, stage, offset);
    const auto is_in_time = [&](int end) { return within(p_.time(way, layers(stage, offset, end)), bound); };
    if (room > last) last = last_that(last + 1, room, is_in_time);
  }
  return last;
}

// With a bound of this time the stage can have this end.
void LeastSumSplit::keep_next(int stage, int offset, int end) {
  for (std::size_t way = 0; way < p_.ways.size(); ++way) {
    if (end <= room(way, stage, offset)) next_ = std::min(next_, p_.time(way, layers(stage, offset, end)));
  }
}

bool LeastSumSplit::reach_forwards(Seconds bound) {
  range(0) = {0, 0};
  for (int stage = 0; stage < p_.stages; ++stage) {
    const int last = range(stage).last;
    const int end = last_end(stage, last, bound);
    if (end + 1 < width_) keep_next(stage, last, end + 1);
    if (end < 0) return false;
    range(stage + 1).last = end;
  }
  return range(p_.stages).last == width_ - 1;
}

// REQUIRES: reach_forwards.
bool LeastSumSplit::reach_backwards(Seconds bound) {
  range(p_.stages).first = width_ - 1;
  for (int stage = p_.stages - 1; stage >= 0; --stage) {
    Range& here = range(stage);
    const int end = range(stage + 1).first;
    here.first = 1 + last_that(0, here.last, [&](int offset) { return last_end(stage, offset, bound) < end; });
    if (here.first > 0 && here.first - 1 <= end) keep_next(stage, here.first - 1, end);
    if (here.first > here.last) return false;
  }
  return true;
}

LeastSumSplit::Found LeastSumSplit::run(Seconds bound) {
  bound_ = bound;
  next_ = kNever;
  if (!reach_forwards(bound) || !reach_backwards(bound)) return {.sum = kNever, .slowest = kNever, .next = next_};
  more_[at(p_.stages, width_ - 1)] = 0.0;
  for (int stage = p_.stages - 1; stage >= 0; --stage) {
    const Range& here = range(stage);
    std::fill(&more_[at(stage, here.first)], &more_[at(stage, here.last)] + 1, kNever.value());
    for (std::size_t way = 0; way < p_.ways.size(); ++way) choose_ends(stage, way, bound);
  }
  return found();
}

void LeastSumSplit::choose_ends(int stage, std::size_t way, Seconds bound) {
  const Range here = range(stage);
  const Range after = range(stage + 1);
  std::size_t front = 0, back = 0;  // of the window
  int end = here.first - 1;
  int seen = after.first - 1;
  for (int offset = here.first; offset <= here.last; ++offset) {
    end = std::max(end, offset - 1);
    const int room = this->room(way, stage, offset);
    while (end < room && within(p_.time(way, layers(stage, offset, end + 1)), bound)) ++end;
    if (end < room) next_ = std::min(next_, p_.time(way, layers(stage, offset, end + 1)));
    for (; seen < std::min(end, after.last); ++steps_) {
      const double more = more_after(way, stage, ++seen);
      if (more == kNever.value()) continue;
      while (back > front && more_after(way, stage, window_[back - 1]) >= more) --back;
      window_[back++] = seen;
    }
    while (front < back && window_[front] < offset) ++front;
    if (front == back) continue;
    const double more = more_after(way, stage, window_[front]) + more_at(way, stage, offset);
    if (more >= more_[at(stage, offset)]) continue;
    more_[at(stage, offset)] = more;
    choices_[at(stage, offset)] = {window_[front], way};
  }
}

LeastSumSplit::Found LeastSumSplit::found() const {
  if (more_.front() == kNever.value()) return {.sum = kNever, .slowest = kNever, .next = next_};
  const StageWay& fastest = p_.ways.front();
  Found found{.sum = fastest.before.back() + fastest.head + Seconds(more_.front()), .slowest = {}, .next = next_};
  for (int stage = 0, offset = 0; stage < p_.stages; ++stage) {
    const Choice& choice = choices_[at(stage, offset)];
    found.slowest = std::max(found.slowest, p_.time(choice.way, layers(stage, offset, choice.end)));
    offset = choice.end;
  }
  return found;
}

StageSplit LeastSumSplit::split() {
  SEXTANT_CHECK(more_.front() < kNever.value(), "a split of {} layers where none fits", p_.layers());
  const StageWay& fastest = p_.ways.front();
  const double tolerance = 1e-12 * (fastest.before.back() + fastest.head + Seconds(more_.front())).value();
  StageSplit split;
  for (int stage = 0, offset = 0; stage < p_.stages; ++stage) {
    const int stages_left = p_.stages - stage;
    const int mean = (p_.layers() - stage - offset + stages_left - 1) / stages_left;
    const Choice choice = nearest_to(offset + mean - 1, stage, offset, tolerance);
    split.add(p_, layers(stage, offset, choice.end), choice.way);
    offset = choice.end;
  }
  return split;
}

// Of the ends with the least sum the last up to `wanted`, otherwise the first.
LeastSumSplit::Choice LeastSumSplit::nearest_to(int wanted, int stage, int offset, double tolerance) {
  Choice best = choices_[at(stage, offset)];
  const double most = more_[at(stage, offset)] + tolerance;
  const Range& after = ranges_[static_cast<std::size_t>(stage) + 1];
  for (std::size_t way = p_.ways.size(); way-- > 0;) {
    const int last = std::min(room(way, stage, offset), after.last);
    for (int end = std::max(offset, after.first); end <= last; ++end) {
      if (!within(p_.time(way, layers(stage, offset, end)), bound_)) break;
      if (more_after(way, stage, end) + more_at(way, stage, offset) > most) continue;
      const bool is_nearer = end <= wanted ? best.end > wanted || end >= best.end : end <= best.end;
      if (is_nearer) best = {end, way};
    }
  }
  return best;
}

}  // namespace sextant
