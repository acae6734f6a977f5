// Errors that travel between ranks as text and come out as the class they went in.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace sextant {

// Base of what rethrow_lowest throws, beside the error's own class: says that every rank throws it.
class CommonError {
 public:
  virtual ~CommonError() = default;
};
[[nodiscard]] bool is_common(const std::exception_ptr& error);

// "" for none, else one letter for the class (ConfigError, BackendError, ModelError, InternalError,
// any other) and the text.
[[nodiscard]] std::string encode_error(const std::exception_ptr& error);

// In a catch block: rethrows a BackendError as "<where>: <text>", common if it was; any other error as it is.
[[noreturn]] void rethrow_with_place(const std::string& where);

// Throws the first of the ranks' encoded errors that is not empty; returns if all are. Classes other
// than Sextant's arrive as Error.
void rethrow_lowest(const std::vector<std::string>& encoded);

}  // namespace sextant
