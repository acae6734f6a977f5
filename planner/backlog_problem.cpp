#include "planner/backlog_problem.h"

#include <algorithm>
#include <limits>

#include "models/error.h"

namespace sextant {
namespace {

// Improvements below this share of the value are rounding.
constexpr double kTolerance = 1e-10;
constexpr std::size_t kNarrow = 16;  // states

// A convex function of the backlog: value at 0, then segments of rising slope, slope 1 beyond them.
// Its argument is never negative; below 0 it would be constant.
class ConvexBound {
 public:
  ConvexBound(double floor, double offset) : value_(std::max(floor, offset)) {
    if (floor > offset) segments_.push_back({0.0, floor - offset});
  }

  [[nodiscard]] double at(double backlog) const {
    double value = value_;
    for (const Segment& segment : segments_) {
      if (backlog <= segment.length) return value + segment.slope * backlog;
      value += segment.slope * segment.length;
      backlog -= segment.length;
    }
    return value + backlog;
  }

  // f(max(0, b - capacity)) in place of f(b).
  void hide(double capacity) { insert({0.0, capacity}); }

  // f(b + work) in place of f(b); less than no work is capacity.
  void arrive(double work) {
    if (work <= 0.0) return hide(-work);
    value_ = at(work);
    std::size_t gone = 0;
    while (gone < segments_.size() && segments_[gone].length <= work) work -= segments_[gone++].length;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(gone));
    if (!segments_.empty()) segments_.front().length -= work;
  }

  // The cheapest mixture of options: hides the capacity of the first for its price and buys more at
  // rising prices. `hull`: rising capacity, rising marginal price below 1.
  void choose(const std::vector<BacklogOption>& hull) {
    hide(hull.front().capacity_s);
    value_ += hull.front().price_s;
    for (std::size_t j = 1; j < hull.size(); ++j) {
      const double more = hull[j].capacity_s - hull[j - 1].capacity_s;
      insert({(hull[j].price_s - hull[j - 1].price_s) / more, more});
    }
  }

 private:
  struct Segment {
    double slope;
    double length;
  };

  // Infimal convolution with a segment: the sorted sequence of slopes stays sorted.
  void insert(Segment segment) {
    if (segment.length <= 0.0) return;
    const auto at = std::lower_bound(segments_.begin(), segments_.end(), segment.slope,
                                     [](const Segment& s, double slope) { return s.slope < slope; });
    if (at != segments_.end() && at->slope == segment.slope) {
      at->length += segment.length;
    } else {
      segments_.insert(at, segment);
    }
  }

  double value_;
  std::vector<Segment> segments_;
};

// Lower convex hull of (capacity, price) from the cheapest option on, as far as a second of capacity
// costs less than the second that it can save.
std::vector<BacklogOption> hull_of(std::vector<BacklogOption> options) {
  std::sort(options.begin(), options.end(), [](const BacklogOption& a, const BacklogOption& b) {
    return a.price_s != b.price_s ? a.price_s < b.price_s : a.capacity_s > b.capacity_s;
  });
  const auto slope = [](const BacklogOption& a, const BacklogOption& b) {
    return (b.price_s - a.price_s) / (b.capacity_s - a.capacity_s);
  };
  std::vector<BacklogOption> hull;
  for (const BacklogOption& option : options) {
    if (!hull.empty() && option.capacity_s <= hull.back().capacity_s) continue;
    while (hull.size() >= 2 && slope(hull[hull.size() - 2], hull.back()) >= slope(hull.back(), option)) hull.pop_back();
    if (hull.empty() || slope(hull.back(), option) < 1.0) hull.push_back(option);
  }
  return hull;
}

// A partial choice: options of the layers so far.
struct State {
  double cost = 0.0;
  double backlog = 0.0;
  double bound = 0.0;  // of every completion
  int option = 0;      // of the last layer
  int parent = -1;     // among the states before that layer
};

double after_layer(const BacklogLayer& layer, double capacity, double backlog) {
  const double left = std::max(0.0, backlog + layer.arrival_s - capacity);
  return std::max(0.0, left + layer.dense_arrival_s - layer.dense_capacity_s);
}

class Solver {
 public:
  Solver(const BacklogProblem& problem, int max_states)
      : problem_(problem),
        max_states_(static_cast<std::size_t>(max_states)),
        sorted_(problem.kinds.size()),
        ranks_(problem.kinds.size()) {
    SEXTANT_CHECK(!problem.layers.empty(), "no layers");
    for (std::size_t kind = 0; kind < problem.kinds.size(); ++kind) sort_options(kind);
    relax();
  }

  BacklogSolution solve() {
    solution_.bound_s = bounds_.front().at(0.0);
    roll_out();
    // A narrow search first: the better the choice known, the fewer states the wide one needs.
    for (const std::size_t width : {kNarrow, max_states_}) {
      if (solution_.value_s - solution_.bound_s > tolerance()) search(std::min(width, max_states_));
    }
    solution_.bound_s = std::min(solution_.bound_s, solution_.value_s);
    return std::move(solution_);
  }

 private:
  double tolerance() const { return kTolerance * std::abs(solution_.value_s); }
  const std::vector<BacklogOption>& options(const BacklogLayer& layer) const {
    return problem_.kinds[static_cast<std::size_t>(layer.kind)];
  }
  const std::vector<int>& sorted(const BacklogLayer& layer) const {
    return sorted_[static_cast<std::size_t>(layer.kind)];
  }

  // Options of a kind by rising price and capacity, without those that another one beats in price and capacity
  // or whose extra capacity costs more than it can save.
  void sort_options(std::size_t kind) {
    const std::vector<BacklogOption>& all = problem_.kinds[kind];
    SEXTANT_CHECK(!all.empty(), "kind {} has no option", kind);
    std::vector<int> order(all.size());
    for (std::size_t j = 0; j < order.size(); ++j) order[j] = static_cast<int>(j);
    const auto at = [&](int j) { return all[static_cast<std::size_t>(j)]; };
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return at(a).price_s != at(b).price_s ? at(a).price_s < at(b).price_s : at(a).capacity_s > at(b).capacity_s;
    });
    for (const int j : order) {
      std::vector<int>& kept = sorted_[kind];
      const bool useless = std::any_of(kept.begin(), kept.end(), [&](int k) {
        return at(j).price_s - at(k).price_s >= std::max(0.0, at(j).capacity_s - at(k).capacity_s);
      });
      if (!useless) kept.push_back(j);
    }
    ranks_[kind].assign(all.size(), -1);
    for (std::size_t rank = 0; rank < sorted_[kind].size(); ++rank) {
      ranks_[kind][static_cast<std::size_t>(sorted_[kind][rank])] = static_cast<int>(rank);
    }
  }

  // bounds_[p](b): no choice for the layers p.. is cheaper when b is queued before layer p.
  void relax() {
    std::vector<std::vector<BacklogOption>> hulls;
    for (const auto& kind : problem_.kinds) hulls.push_back(hull_of(kind));
    bounds_.assign(problem_.layers.size() + 1, ConvexBound(problem_.terminal_floor_s, problem_.terminal_offset_s));
    for (std::size_t p = problem_.layers.size(); p-- > 0;) {
      const BacklogLayer& layer = problem_.layers[p];
      ConvexBound bound = bounds_[p + 1];
      bound.hide(layer.dense_capacity_s);
      bound.arrive(layer.dense_arrival_s);
      bound.choose(hulls[static_cast<std::size_t>(layer.kind)]);
      bound.arrive(layer.arrival_s);
      bounds_[p] = std::move(bound);
    }
  }

  // First solution: at every layer the option that looks best to the relaxation.
  void roll_out() {
    State state;
    for (std::size_t p = 0; p < problem_.layers.size(); ++p) {
      State best;
      best.bound = std::numeric_limits<double>::infinity();
      for (const int option : sorted(problem_.layers[p])) {
        const State next = extend(state, p, option, 0);
        if (next.bound < best.bound) best = next;
      }
      state = best;
      solution_.options.push_back(best.option);
    }
    solution_.value_s = state.cost + problem_.terminal(state.backlog);
  }

  State extend(const State& state, std::size_t p, int option, int parent) const {
    const BacklogLayer& layer = problem_.layers[p];
    const BacklogOption& chosen = options(layer)[static_cast<std::size_t>(option)];
    State next{state.cost + chosen.price_s, after_layer(layer, chosen.capacity_s, state.backlog), 0.0, option, parent};
    next.bound = next.cost + bounds_[p + 1].at(next.backlog);
    return next;
  }

  void search(std::size_t width) {
    history_.clear();
    double dropped = std::numeric_limits<double>::infinity();
    std::vector<State> states{State{}};
    for (std::size_t p = 0; p < problem_.layers.size(); ++p) {
      states = successors(states, p);
      dropped = std::min(dropped, limit(states, width));
      history_.push_back(states);
      solution_.states += static_cast<int>(states.size());
    }
    int best = -1;
    for (std::size_t i = 0; i < states.size(); ++i) {
      const double value = states[i].cost + problem_.terminal(states[i].backlog);
      if (value >= solution_.value_s) continue;
      solution_.value_s = value;
      best = static_cast<int>(i);
    }
    if (best >= 0) trace_back(best);
    solution_.bound_s = std::max(solution_.bound_s, std::min(dropped, solution_.value_s));
  }

  // All extensions that may still win, none of them dominated.
  std::vector<State> successors(const std::vector<State>& states, std::size_t p) const {
    std::vector<State> next;
    for (std::size_t i = 0; i < states.size(); ++i) {
      for (const int option : sorted(problem_.layers[p])) {
        if (misordered(states[i], p, option)) continue;
        const State state = extend(states[i], p, option, static_cast<int>(i));
        if (state.bound < solution_.value_s - tolerance()) next.push_back(state);
      }
    }
    return undominated(std::move(next), p);
  }

  // Of two neighbours of one kind the later one may as well have the larger capacity: the sums of
  // capacity over the layers from k on only grow, for every k, and with them what is hidden.
  bool misordered(const State& state, std::size_t p, int option) const {
    if (p == 0 || problem_.layers[p - 1].kind != problem_.layers[p].kind) return false;
    const auto& all = options(problem_.layers[p]);
    return all[static_cast<std::size_t>(option)].capacity_s < all[static_cast<std::size_t>(state.option)].capacity_s;
  }

  // A state is as good as another if it costs no more and has no more queued, or costs less by at
  // least what it has queued more; before a neighbour of its kind it must leave the same freedom too.
  std::vector<State> undominated(std::vector<State> states, std::size_t p) const {
    std::sort(states.begin(), states.end(), [](const State& a, const State& b) {
      return a.backlog != b.backlog ? a.backlog < b.backlog : a.cost < b.cost;
    });
    keep_minima(states, p, [](const State& state) { return state.cost; });
    std::reverse(states.begin(), states.end());
    keep_minima(states, p, [](const State& state) { return state.cost + state.backlog; });
    return states;
  }

  // Keeps the states whose key is below that of every state before them that leaves the same freedom.
  template <typename Key>
  void keep_minima(std::vector<State>& states, std::size_t p, const Key& key) const {
    const bool ordered = p + 1 < problem_.layers.size() && problem_.layers[p + 1].kind == problem_.layers[p].kind;
    const std::vector<int>& ranks = ranks_[static_cast<std::size_t>(problem_.layers[p].kind)];
    std::vector<double> least(ordered ? ranks.size() : 1, std::numeric_limits<double>::infinity());  // of ranks up to
    std::erase_if(states, [&](const State& state) {
      const auto rank = static_cast<std::size_t>(ordered ? ranks[static_cast<std::size_t>(state.option)] : 0);
      const double k = key(state);
      if (least[rank] <= k) return true;
      for (std::size_t above = rank; above < least.size() && least[above] > k; ++above) least[above] = k;
      return false;
    });
  }

  // Keeps the most promising states; the least bound of the others.
  static double limit(std::vector<State>& states, std::size_t width) {
    if (states.size() <= width) return std::numeric_limits<double>::infinity();
    std::stable_sort(states.begin(), states.end(), [](const State& a, const State& b) { return a.bound < b.bound; });
    const double dropped = states[width].bound;
    states.resize(width);
    return dropped;
  }

  void trace_back(int state) {
    for (std::size_t p = problem_.layers.size(); p-- > 0;) {
      const State& chosen = history_[p][static_cast<std::size_t>(state)];
      solution_.options[p] = chosen.option;
      state = chosen.parent;
    }
  }

  const BacklogProblem& problem_;
  std::size_t max_states_;
  std::vector<std::vector<int>> sorted_;  // [kind] options worth trying, by rising price
  std::vector<std::vector<int>> ranks_;   // [kind][option] place in sorted_
  std::vector<ConvexBound> bounds_;       // [layer]
  std::vector<std::vector<State>> history_;
  BacklogSolution solution_;
};

}  // namespace

BacklogSolution solve(const BacklogProblem& problem, int max_states) {
  return Solver(problem, max_states).solve();
}

}  // namespace sextant
