#include "message/publish_batch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace ringcast {
namespace {

BatchedPublish publish_of(std::string_view room, std::string_view data) {
  BatchedPublish ask;
  ask.room = room;
  ask.type = "t";
  ask.data = data;
  return ask;
}

std::vector<std::string> data_of(const PublishBatch& batch) {
  std::vector<std::string> all;
  batch.for_each([&](const BatchedPublish& one) { all.emplace_back(one.data); });
  return all;
}

TEST(PublishBatch, GivesBackWhatItWasGivenInItsOrder) {
  BatchedPublish full;
  full.room = "chat:1";
  full.type = "message";
  full.data = R"({"a":1})";
  full.key = "k";
  full.idempotency_key = "once";
  full.exclude_user = "ann";
  full.id = Uuid::random();
  full.time = WallTime(std::chrono::microseconds(7));
  full.tag = 9;
  PublishBatch batch(2, 100);
  {
    const std::string room = "chat:2";
    ASSERT_TRUE(batch.add(full));
    ASSERT_TRUE(batch.add(publish_of(room, "2")));
  }
  ASSERT_EQ(batch.size(), 2U);
  std::vector<BatchedPublish> all;
  batch.for_each([&](const BatchedPublish& one) { all.push_back(one); });
  EXPECT_EQ(all[0].room, "chat:1");
  EXPECT_EQ(all[0].type, "message");
  EXPECT_EQ(all[0].data, R"({"a":1})");
  EXPECT_EQ(all[0].key, "k");
  EXPECT_EQ(all[0].idempotency_key, "once");
  EXPECT_EQ(all[0].exclude_user, "ann");
  EXPECT_EQ(all[0].id, full.id);
  EXPECT_EQ(all[0].time, full.time);
  EXPECT_EQ(all[0].tag, 9U);
  EXPECT_EQ(all[1].room, "chat:2");
  EXPECT_EQ(all[1].key, "");
  EXPECT_EQ(all[1].id, std::nullopt);
}

TEST(PublishBatch, HasPlaceForAsManyAsItWasMadeForAndNeverMoreThanTheLimit) {
  for (const std::size_t made_for : {std::size_t{1}, PublishBatch::kAsksMax, std::size_t{1'000}}) {
    const std::size_t most = std::min(made_for, PublishBatch::kAsksMax);
    PublishBatch batch(made_for, PublishBatch::kTextBytesMax);
    for (std::size_t i = 0; i < most; ++i)
      ASSERT_TRUE(batch.add(publish_of("r", std::to_string(i))));
    EXPECT_FALSE(batch.add(publish_of("r", "more")));
    EXPECT_EQ(batch.size(), most);
    EXPECT_EQ(data_of(batch).back(), std::to_string(most - 1));
  }
}

TEST(PublishBatch, HasPlaceForAsMuchTextAsItWasMadeForAndNeverMoreThanTheLimit) {
  for (const std::size_t made_for :
       {std::size_t{10}, PublishBatch::kTextBytesMax, std::size_t{1} << 20}) {
    const std::size_t most = std::min(made_for, PublishBatch::kTextBytesMax);
    const std::string data(most - 2, '1');  // beside a room and a type of one octet
    PublishBatch batch(4, made_for);
    EXPECT_FALSE(batch.add(publish_of("r", data + "1")));
    EXPECT_EQ(batch.size(), 0U);
    EXPECT_TRUE(batch.add(publish_of("r", data)));
    EXPECT_EQ(batch.text_bytes(), most);
    EXPECT_FALSE(batch.add(publish_of("r", "")));
    EXPECT_EQ(data_of(batch), std::vector<std::string>{data});
  }
}

TEST(BatchSizes, TheNextIsMadeForTwiceWhatTheOneBeforeHadAndForOneAtLeast) {
  BatchSizes sizes;
  const BatchedPublish ask = publish_of("r", "12");
  const auto fill = [&](PublishBatch& batch) {
    while (batch.add(ask)) {
    }
    return batch.size();
  };
  std::vector<std::size_t> sizes_seen;
  for (int i = 0; i < 10; ++i) {
    const auto batch = sizes.next(ask.text_bytes());
    sizes_seen.push_back(fill(*batch));
    sizes.ended(*batch);
  }
  EXPECT_EQ(sizes_seen, (std::vector<std::size_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 256}));
  const std::string large(4'096, '1');
  EXPECT_TRUE(sizes.next(large.size() + 2)->add(publish_of("r", large)));
  BatchSizes fresh;
  EXPECT_TRUE(fresh.next(large.size() + 2)->add(publish_of("r", large)));
}

}  // namespace
}  // namespace ringcast
