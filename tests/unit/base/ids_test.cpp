#include "base/ids.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

TEST(SlotId, IsFalseUntilItNamesAThing) {
  EXPECT_FALSE(SlotId{});
  EXPECT_FALSE((SlotId{7, 0}));
  EXPECT_TRUE((SlotId{0, 1}));
}

TEST(ConnectionId, DiffersByShardSlotAndGeneration) {
  const ConnectionId id{ShardIndex{1}, SlotId{2, 3}};
  EXPECT_EQ(id, (ConnectionId{ShardIndex{1}, SlotId{2, 3}}));
  EXPECT_NE(id, (ConnectionId{ShardIndex{0}, SlotId{2, 3}}));
  EXPECT_NE(id, (ConnectionId{ShardIndex{1}, SlotId{3, 3}}));
  EXPECT_NE(id, (ConnectionId{ShardIndex{1}, SlotId{2, 4}}));
}

}  // namespace
}  // namespace ringcast
