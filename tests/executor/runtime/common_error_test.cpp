#include "executor/runtime/common_error.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/executor/runtime/on_ranks.h"

namespace sextant::testing {
namespace {

template <typename E>
std::exception_ptr made(const std::string& text) {
  return std::make_exception_ptr(E(text));
}

TEST(EncodeError, KeepsClassAndText) {
  EXPECT_THROW(rethrow_lowest({encode_error(made<ConfigError>("a"))}), ConfigError);
  EXPECT_THROW(rethrow_lowest({encode_error(made<BackendError>("a"))}), BackendError);
  EXPECT_THROW(rethrow_lowest({encode_error(made<ModelError>("a"))}), ModelError);
  EXPECT_THROW(rethrow_lowest({encode_error(made<InternalError>("a"))}), InternalError);
  EXPECT_THROW(rethrow_lowest({encode_error(made<std::runtime_error>("a"))}), Error);
  try {
    rethrow_lowest({encode_error(made<ConfigError>("plan.yaml:3:7: no\nsuch key"))});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "plan.yaml:3:7: no\nsuch key");
  }
}

TEST(RethrowLowest, TakesTheFirstRankWithAnError) {
  EXPECT_NO_THROW(rethrow_lowest({"", encode_error(nullptr), ""}));
  try {
    rethrow_lowest({"", encode_error(made<ModelError>("one")), encode_error(made<ConfigError>("two"))});
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_STREQ(error.what(), "one");
    EXPECT_TRUE(is_common(std::current_exception()));
  }
  EXPECT_FALSE(is_common(made<ConfigError>("alone")));
}

std::exception_ptr with_place(const std::exception_ptr& error) {
  try {
    try {
      std::rethrow_exception(error);
    } catch (...) {
      rethrow_with_place("step 3");
    }
  } catch (...) {
    return std::current_exception();
  }
}

TEST(RethrowWithPlace, SaysWhereABackendFailed) {
  const std::exception_ptr error = with_place(made<BackendError>("rank 2: all_to_all"));
  EXPECT_EQ(encode_error(error), encode_error(made<BackendError>("step 3: rank 2: all_to_all")));
  EXPECT_FALSE(is_common(error));
}

TEST(RethrowWithPlace, KeepsWhatIsCommonAndWhatIsNoBackendsFault) {
  try {
    rethrow_lowest({encode_error(made<BackendError>("given up"))});
  } catch (...) {
    EXPECT_TRUE(is_common(with_place(std::current_exception())));
  }
  EXPECT_EQ(encode_error(with_place(made<ConfigError>("x.yaml:1"))), encode_error(made<ConfigError>("x.yaml:1")));
}

TEST(RunOnAll, ReturnsWhereNobodyFails) {
  on_world([](World& world) {
    int calls = 0;
    run_on_all(world, [&] { ++calls; });
    EXPECT_EQ(calls, 1);
  });
}

TEST(RunOnAll, GivesEveryRankTheErrorOfTheLowest) {
  on_world([](World& world) {
    try {
      run_on_all(world, [&] {
        if (world.rank() == 2) throw ConfigError("from 2");
        if (world.rank() == 3) throw BackendError("from 3");
      });
      ADD_FAILURE() << "no error on rank " << world.rank();
    } catch (const ConfigError& error) {
      EXPECT_STREQ(error.what(), "from 2");
    }
    // Nobody was left behind in another collective.
    EXPECT_EQ(world.communicator().gather_text("on"), std::vector<std::string>(4, "on"));
  });
}

}  // namespace
}  // namespace sextant::testing
