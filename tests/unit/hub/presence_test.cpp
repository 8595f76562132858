#include "hub/presence.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

using Names = std::vector<std::string>;

class PresenceTest : public ::testing::Test {
 protected:
  static ConnectionId connection(std::uint32_t slot) { return {{0}, {slot, 1}}; }
  PresenceUpdateMail announce() { return presence_.announce(3, now_, Millis(250)); }

  Presence presence_;
  Instant now_{std::chrono::seconds{1'000}};
};

TEST_F(PresenceTest, NobodyIsNothingToAnnounce) {
  EXPECT_TRUE(presence_.empty());
  EXPECT_FALSE(presence_.due().has_value());
}

TEST_F(PresenceTest, TheFirstAnnouncementIsDueAtOnceTheNextAfterTheInterval) {
  presence_.join("ada", connection(1));
  ASSERT_TRUE(presence_.due().has_value());
  EXPECT_LE(*presence_.due(), now_);
  const auto first = announce();
  EXPECT_EQ(first.users, (Names{"ada"}));
  EXPECT_EQ(first.joined, (Names{"ada"}));
  EXPECT_FALSE(presence_.due().has_value());
  presence_.join("bob", connection(2));
  EXPECT_EQ(*presence_.due(), now_ + Millis(250));
}

TEST_F(PresenceTest, AUserOnTwoConnectionsIsOneUntilBothAreGone) {
  presence_.join("ada", connection(1));
  presence_.join("ada", connection(2));
  EXPECT_EQ(announce().count, 1U);
  presence_.leave("ada", connection(1));
  EXPECT_FALSE(presence_.dirty());
  presence_.leave("ada", connection(2));
  EXPECT_EQ(announce().left, (Names{"ada"}));
  EXPECT_TRUE(presence_.empty());
}

TEST_F(PresenceTest, JoiningAndLeavingTwiceChangesNothing) {
  presence_.join("ada", connection(1));
  presence_.join("ada", connection(1));
  presence_.leave("ada", connection(1));
  EXPECT_TRUE(presence_.empty()) << "she came and went between two announcements";
  presence_.leave("ada", connection(1));
  presence_.leave("bob", connection(9));
  EXPECT_TRUE(presence_.empty());
}

TEST_F(PresenceTest, TheLastStateWins) {
  presence_.join("ada", connection(1));
  announce();
  presence_.leave("ada", connection(1));
  presence_.join("ada", connection(2));
  EXPECT_FALSE(presence_.dirty()) << "gone and back: nobody needs to know";
  presence_.join("bob", connection(3));
  presence_.leave("ada", connection(2));
  const auto update = announce();
  EXPECT_EQ(update.users, (Names{"bob"}));
  EXPECT_EQ(update.joined, (Names{"bob"}));
  EXPECT_EQ(update.left, (Names{"ada"}));
}

TEST_F(PresenceTest, ListsUsersMaxAndBeyondOnlyCounts) {
  for (const char* user : {"a", "b", "c"}) presence_.join(user, connection(1));
  auto update = announce();
  EXPECT_TRUE(update.listed);
  EXPECT_EQ(update.users, (Names{"a", "b", "c"}));
  presence_.join("d", connection(1));
  update = announce();
  EXPECT_FALSE(update.listed);
  EXPECT_TRUE(update.users.empty());
  EXPECT_EQ(update.count, 4U);
  EXPECT_EQ(update.joined, (Names{"d"}));
}

TEST_F(PresenceTest, PagesThroughAllInOrder) {
  for (const char* user : {"e", "c", "a", "d", "b"}) presence_.join(user, connection(1));
  auto page = presence_.list("", 2);
  EXPECT_EQ(page.users, (Names{"a", "b"}));
  EXPECT_EQ(page.next, "b");
  EXPECT_EQ(page.count, 5U);
  page = presence_.list(page.next, 2);
  EXPECT_EQ(page.users, (Names{"c", "d"}));
  page = presence_.list(page.next, 2);
  EXPECT_EQ(page.users, (Names{"e"}));
  EXPECT_EQ(page.next, "");
  page = presence_.list("c", 2);
  EXPECT_EQ(page.users, (Names{"d", "e"}));
  EXPECT_EQ(page.next, "") << "a full last page is the last";
  EXPECT_TRUE(presence_.list("zzz", 2).users.empty());
}

}  // namespace
}  // namespace ringcast
