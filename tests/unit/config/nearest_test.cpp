#include "config/nearest.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ringcast {
namespace {

constexpr std::string_view kNames[] = {"address", "allowed_origins", "connections_max", "shards"};

TEST(Nearest, FindsTheNameThatWasMeant) {
  for (const auto& [word, meant] : {std::pair{"adress", "address"},
                                    {"addresss", "address"},
                                    {"shard", "shards"},
                                    {"connection_max", "connections_max"},
                                    {"allowed-origins", "allowed_origins"},
                                    {"shards", "shards"}})
    EXPECT_EQ(nearest(word, kNames), meant) << word;
}

TEST(Nearest, FindsNothingForAnotherWord) {
  for (const std::string_view word : {"", "x", "backend", "history_size"})
    EXPECT_FALSE(nearest(word, kNames)) << word;
  EXPECT_FALSE(nearest(std::string(100'000, 'a'), kNames));
  EXPECT_FALSE(nearest("address", {}));
}

}  // namespace
}  // namespace ringcast
