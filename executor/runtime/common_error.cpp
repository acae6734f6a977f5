#include "executor/runtime/common_error.h"

#include "executor/runtime/runtime.h"
#include "models/error.h"

namespace sextant {
namespace {

constexpr char kConfig = 'C';
constexpr char kBackend = 'B';
constexpr char kModel = 'M';
constexpr char kInternal = 'I';
constexpr char kOther = 'E';

template <typename Base>
class Common : public Base, public CommonError {
 public:
  using Base::Base;
};

[[noreturn]] void throw_encoded(const std::string& encoded) {
  const std::string text = encoded.substr(1);
  switch (encoded[0]) {
    case kConfig:
      throw Common<ConfigError>(text);
    case kBackend:
      throw Common<BackendError>(text);
    case kModel:
      throw Common<ModelError>(text);
    case kInternal:
      throw Common<InternalError>(text);
    default:
      throw Common<Error>(text);
  }
}

}  // namespace

bool is_common(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const CommonError&) {
    return true;
  } catch (...) {
    return false;
  }
}

std::string encode_error(const std::exception_ptr& error) {
  if (!error) return "";
  try {
    std::rethrow_exception(error);
  } catch (const ConfigError& e) {
    return kConfig + std::string(e.what());
  } catch (const BackendError& e) {
    return kBackend + std::string(e.what());
  } catch (const ModelError& e) {
    return kModel + std::string(e.what());
  } catch (const InternalError& e) {
    return kInternal + std::string(e.what());
  } catch (const std::exception& e) {
    return kOther + std::string(e.what());
  } catch (...) {
    return kOther + std::string("an error of unknown type");
  }
}

void rethrow_with_place(const std::string& where) {
  try {
    throw;
  } catch (const BackendError& error) {
    const std::string text = fmt::format("{}: {}", where, error.what());
    if (is_common(std::current_exception())) throw Common<BackendError>(text);
    throw BackendError(text);
  }
}

void rethrow_lowest(const std::vector<std::string>& encoded) {
  for (const std::string& error : encoded) {
    if (!error.empty()) throw_encoded(error);
  }
}

void run_on_all(World& world, const std::function<void()>& body) {
  std::exception_ptr error;
  try {
    body();
  } catch (...) {
    error = std::current_exception();
  }
  rethrow_lowest(world.communicator().gather_text(encode_error(error)));
}

}  // namespace sextant
