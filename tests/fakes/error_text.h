// The message of the error that a piece of code throws, for tests of what users read.
#pragma once

#include <string>

#include <gtest/gtest.h>

namespace sextant {

// Fails the test, and returns "", unless `body` throws an Expected.
template <typename Expected, typename Body>
[[nodiscard]] std::string error_text(const Body& body) {
  try {
    body();
  } catch (const Expected& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another class of error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace sextant
