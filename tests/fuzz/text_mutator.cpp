// Mutations that keep a file readable more often than flipped bytes do: numbers become other numbers, words and lines
// change places or vanish. Every second mutation is libFuzzer's own.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace sextant::fuzz {
namespace {

using Random = std::minstd_rand;

constexpr std::array kNumbers{"0",    "1",     "2",     "3",          "5",          "7",      "8",
                              "13",   "16",    "17",    "64",         "127",        "128",    "1000",
                              "1024", "4096",  "65536", "262144",     "1048576",    "1e9",    "2147483647",
                              "-1",   "0.001", "1e-9",  "4294967296", "1e-300",     "1e300",  "9223372036854775807",
                              "1e18", "0.5",   "1.0",   "16777216",   "1000000000", "100000", "99999999999999999999"};

struct Token {
  std::size_t begin = 0;
  std::size_t size = 0;
};

std::size_t any_below(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// Runs of characters for which `belongs` holds.
template <typename Predicate>
std::vector<Token> tokens(std::string_view text, Predicate belongs) {
  std::vector<Token> result;
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    if (!belongs(text[begin])) continue;
    std::size_t end = begin;
    while (end < text.size() && belongs(text[end])) ++end;
    result.push_back({begin, end - begin});
    begin = end;
  }
  return result;
}

bool is_in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
}

std::vector<Token> numbers(std::string_view text) {
  std::vector<Token> result = tokens(text, is_in_word);
  std::erase_if(result, [&](Token t) { return std::isdigit(static_cast<unsigned char>(text[t.begin])) == 0; });
  return result;
}

// A number becomes one of the list, or its neighbour, double or half.
std::string other_number(std::string_view number, Random& random) {
  const bool is_short = number.size() < 10 && std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_short || any_below(random, 2) == 0) return kNumbers[any_below(random, kNumbers.size())];
  const long value = std::stol(std::string(number));
  const std::array choices{value + 1, value - 1, value * 2, value / 2, value * 3};
  return std::to_string(choices[any_below(random, choices.size())]);
}

void change_number(std::string& text, Random& random) {
  const std::vector<Token> all = numbers(text);
  if (all.empty()) return;
  const Token token = all[any_below(random, all.size())];
  text.replace(token.begin, token.size, other_number(text.substr(token.begin, token.size), random));
}

// One piece is written over another.
void copy_piece(std::string& text, const std::vector<Token>& pieces, Random& random) {
  if (pieces.empty()) return;
  const Token from = pieces[any_below(random, pieces.size())];
  const Token to = pieces[any_below(random, pieces.size())];
  text.replace(to.begin, to.size, text.substr(from.begin, from.size));
}

void change_lines(std::string& text, Random& random) {
  const std::vector<Token> lines = tokens(text, [](char c) { return c != '\n'; });
  if (lines.empty()) return;
  const Token line = lines[any_below(random, lines.size())];
  switch (any_below(random, 3)) {
    case 0:
      return copy_piece(text, lines, random);
    case 1:
      text.erase(line.begin, line.size + 1);
      return;
    default:
      text.insert(line.begin, text.substr(line.begin, line.size) + "\n");
  }
}

void mutate_once(std::string& text, Random& random) {
  switch (any_below(random, 8)) {
    case 0:
      return change_lines(text, random);
    case 1:
      return copy_piece(text, tokens(text, is_in_word), random);
    default:
      return change_number(text, random);
  }
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  using namespace sextant::fuzz;
  Random random(seed);
  if (any_below(random, 2) == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string text(reinterpret_cast<const char*>(data), size);
  for (std::size_t left = 1 + any_below(random, 4); left > 0; --left) mutate_once(text, random);
  const std::size_t kept = std::min(text.size(), max_size);
  std::copy_n(text.begin(), kept, data);
  return kept;
}
