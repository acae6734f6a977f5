// The errors that end a command, and the check for our own mistakes.
//
// What a search finds is a value, never an exception ("nothing fits" is an answer). Exit codes per
// class stand in tools/main.cpp: ConfigError 2, BackendError 4, anything else 1.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace sextant {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Bad input of the user. Text: "path:line:column: what was found, what is allowed".
class ConfigError : public Error {
 public:
  using Error::Error;
};

// A communication or device library failed or is missing. Text: operation, rank, the library's words.
class BackendError : public Error {
 public:
  using Error::Error;
};

// A cost was asked for that the measurements cannot give.
class ModelError : public Error {
 public:
  using Error::Error;
};

// A broken invariant of ours.
class InternalError : public Error {
 public:
  using Error::Error;
};

[[noreturn]] void throw_internal_error(const char* condition, const char* file, int line, const std::string& message);

}  // namespace sextant

// Invariant of ours, active in every build: SEXTANT_CHECK(a == b, "sizes {} and {}", a, b).
#define SEXTANT_CHECK(condition, ...)                                                                            \
  do {                                                                                                           \
    if (!(condition)) ::sextant::throw_internal_error(#condition, __FILE__, __LINE__, fmt::format(__VA_ARGS__)); \
  } while (false)
