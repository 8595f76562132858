#include "store/source.hpp"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "message/timestamp.hpp"
#include "unit/store/source_fixture.hpp"

namespace ringcast {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using State = SourceStatus::State;

class SourceTest : public SourceFixture {};

TEST_F(SourceTest, EachRowGoesToBothOfItsRoomsAtItsHomeShards) {
  constexpr std::uint32_t kShards = 4;
  commit(window({row(7, "a"), row(8, "b")}));
  start(kShards, 100);
  ASSERT_TRUE(wait_for([&] { return status().events == 4 && is_ready(); }));
  for (const char* room : {"tenant:a", "tenant:a:kitchen", "tenant:b", "tenant:b:kitchen"}) {
    const auto& home = *shards_[home_shard(room, kShards).value];
    const auto mails = home.all<StoredMail>();
    EXPECT_TRUE(std::any_of(mails.begin(), mails.end(), [&](const StoredMail* mail) {
      return mail->event->room == room;
    })) << room;
  }
}

TEST_F(SourceTest, EveryShardHearsThePositionAfterTheEventsOfTheWindow) {
  commit(window({row(1), row(2)}));
  start(2, 100);
  ASSERT_TRUE(wait_for([&] {
    return std::all_of(shards_.begin(), shards_.end(), [](auto& shard) {
      return !shard->template all<StorePositionMail>().empty();
    });
  }));
  for (const auto& shard : shards_) {
    const auto& got = shard->got;
    const auto position = std::find_if(got.begin(), got.end(), [](const ShardMail& mail) {
      return std::holds_alternative<StorePositionMail>(mail);
    });
    ASSERT_NE(position, got.end());
    EXPECT_EQ(std::get<StorePositionMail>(*position).offset, 2U);
    EXPECT_EQ(std::count_if(
                  position, got.end(),
                  [](const ShardMail& mail) { return std::holds_alternative<StoredMail>(mail); }),
              0);
  }
}

TEST_F(SourceTest, APositionIsNotedAsDeliveredOnceItsFailedRowsAreWrittenDown) {
  database_.use([](FakeDatabase::State& state) { state.refuses_failed = true; });
  OutboxRow bad = row(1);
  bad.payload = "[]";
  commit(window({bad, row(2)}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return status().events == 2 && status().top == 2; }));
  commit(window({row(3)}));
  ASSERT_TRUE(wait_for([&] { return status().events == 4; }));
  const auto delivered = [&] {
    return database_.use([](FakeDatabase::State& state) { return state.delivered; });
  };
  EXPECT_EQ(delivered(), 0U);
  database_.use([](FakeDatabase::State& state) { state.refuses_failed = false; });
  ASSERT_TRUE(wait_for([&] { return delivered() == 3; }));
  EXPECT_EQ(database_.use([](FakeDatabase::State& state) { return state.failed.size(); }), 1U);
}

TEST_F(SourceTest, WhatIsReplayedAndWasDeliveredIsNotNotedAgain) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 3;
    state.delivered = 9;
  });
  commit_rows(5, 7);
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit_rows(10, 10);
  ASSERT_TRUE(wait_for([&] {
    return database_.use([](FakeDatabase::State& state) { return state.delivered; }) == 10;
  }));
}

// ---- a row that ends the process ----

TEST_F(SourceTest, WindowsThatAnEarlierStartDidNotFinishAreNotedOneByOne) {
  database_.use([](FakeDatabase::State& state) { state.replay = 3; });
  commit_rows(1, 3);
  start(2, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  database_.use([](FakeDatabase::State& state) {
    EXPECT_EQ(state.noted_on_trial, range(1, 2));
    EXPECT_EQ(state.delivered, 3U);
    EXPECT_EQ(state.trial.starts, 0U) << "the trial is over";
  });
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 3));
}

TEST_F(SourceTest, ASecondStartThatFindsThemGoesRowByRow) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 1;
    state.delivered = 2;
    state.trial.starts = 1;
  });
  commit(window({row(1), row(2), row(3), row(4), row(5)}));
  start(2, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  database_.use([](FakeDatabase::State& state) {
    EXPECT_EQ(state.noted_on_trial, range(3, 4));
    EXPECT_EQ(state.delivered, 5U);
  });
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 5));
}

TEST_F(SourceTest, NoRowIsBegunBeforeTheShardsArePastTheOneBefore) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 1;
    state.trial.starts = 1;
  });
  commit(window({row(1), row(2)}));
  start(1, 100);
  const auto begun = [&] {
    return database_.use([](FakeDatabase::State& state) { return state.trial.begun; });
  };
  ASSERT_TRUE(wait_draining([&] { return begun() == 1; }, [] {}));
  for (int look = 0; look < 100; ++look) ASSERT_EQ(begun(), 1U);
  stop();
  database_.use([](FakeDatabase::State& state) {
    EXPECT_EQ(state.delivered, 0U);
    EXPECT_EQ(state.trial.begun, 0U) << "a clean stop takes back what was counted";
    EXPECT_EQ(state.trial.starts, 1U);
  });
}

TEST_F(SourceTest, ARowThatWasBegunTooOftenIsPoisonAndItsNeighboursGoOn) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 1;
    state.trial = {4, Source::kBegunMax};
  });
  commit(window({row(1), row(2), row(3)}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  EXPECT_EQ(offsets_in("tenant:42"), range(2, 3));
  database_.use([](FakeDatabase::State& state) {
    EXPECT_EQ(state.delivered, 3U);
    ASSERT_EQ(state.failed.size(), 1U);
    EXPECT_EQ(state.failed[0].id, 1);
    EXPECT_EQ(state.failed[0].reason, "poison");
  });
}

TEST_F(SourceTest, ARowThatWasBegunOnceLessIsNot) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 1;
    state.trial = {4, Source::kBegunMax - 1};
  });
  commit(window({row(1), row(2), row(3)}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 3));
  EXPECT_TRUE(database_.use([](FakeDatabase::State& state) { return state.failed.empty(); }));
}

TEST_F(SourceTest, PoisonIsNotReplayed) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 1;
    state.delivered = 3;
    state.poison = {2};
  });
  commit(window({row(1), row(2), row(3)}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  EXPECT_EQ(offsets_in("tenant:42"), (std::vector<Offset>{1, 3}));
}

TEST_F(SourceTest, ALossOnTrialAbandonsNoRow) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 1;
    state.trial.starts = 1;
  });
  commit(window({row(1), row(2), row(3)}));
  start(1, 100);
  ASSERT_TRUE(wait_draining(
      [&] {
        return database_.use([](FakeDatabase::State& state) {
          if (state.trial.begun == 1) state.reachable = false;
          return state.trial.begun == 1;
        });
      },
      [] {}));
  ASSERT_TRUE(wait_for([&] { return status().open_failures != 0; }));
  database_.use([](FakeDatabase::State& state) { state.reachable = true; });
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 3));
}

TEST_F(SourceTest, ShardsAreToldTheStateBeforeTheReplayAndReadinessAfterIt) {
  database_.use([](FakeDatabase::State& state) {
    state.replay = 3;
    state.floor = 4;
  });
  commit_rows(5, 7);
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  const auto& got = shards_[0]->got;
  const auto& first = std::get<StoreStateMail>(got.front());
  EXPECT_EQ(first.epoch, "epoch-1");
  EXPECT_EQ(first.floor, 4U);
  EXPECT_EQ(first.top, 4U);
  EXPECT_FALSE(first.ready);
  const auto& last = std::get<StoreStateMail>(got.back());
  EXPECT_TRUE(last.ready);
  EXPECT_EQ(last.floor, 4U);
  EXPECT_EQ(last.top, 7U);
  EXPECT_EQ(offsets_in("tenant:42"), range(5, 7));
}

TEST_F(SourceTest, CountsItsLooksByWhatTheyFound) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return status().polls_empty != 0; }));
  EXPECT_EQ(status().polls_full, 0U);
  commit(window({row(1), row(2)}));
  ASSERT_TRUE(wait_for([&] { return status().polls_full != 0; }));
  EXPECT_EQ(status().polls_full, 1U);
}

TEST_F(SourceTest, CountsTheRowsThatWereReplayedApart) {
  commit(window({row(1), row(2)}));
  commit(window({row(3)}));
  commit(window({row(4)}));
  database_.use([](FakeDatabase::State& state) { state.replay = 2; });
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return status().rows == 4; }));
  EXPECT_EQ(status().replayed, 3U);
}

TEST_F(SourceTest, IsBehindFromTheTimeOfTheOldestRowUntilTheShardsHaveIt) {
  auto late = row(1);
  late.occurred_at = parse_timestamp("2026-01-02T03:04:04Z");
  commit(window({row(2), late, row(3)}));
  start(1, 2);
  const auto leave_it = [] {};
  ASSERT_TRUE(wait_draining([&] { return status().behind_since.has_value(); }, leave_it));
  EXPECT_EQ(timestamp(*status().behind_since), "2026-01-02T03:04:04.000000Z");
  ASSERT_TRUE(wait_for([&] { return !status().behind_since; }));
  EXPECT_EQ(status().rows, 3U);
}

TEST_F(SourceTest, IsNotBehindWithWhatItReplays) {
  commit(window({row(1)}));
  database_.use([](FakeDatabase::State& state) { state.replay = 1; });
  start(1, 2);
  ASSERT_TRUE(wait_draining([&] { return status().rows == 1; }, [] {}));
  EXPECT_EQ(status().behind_since, std::nullopt);
}

TEST_F(SourceTest, AnEmptyStoreIsReadyAtOnce) {
  start(2, 100);
  EXPECT_TRUE(wait_for([&] { return is_ready() && status().state == State::ready; }));
}

// A window is behind the cursor as soon as next() has given it, so the source must hold on to it
// until the last event is in a mailbox. Tried as mutants: dropping what finds no credits turns this
// test and WhatWasReadBeforeTheLossIsStillDelivered red; reading on while events wait turns
// ReadsNoFurtherWindowWhileAShardTakesNothing red; moving the store's cursor before the read
// succeeded turns SqliteStoreTest.AReadThatFailsDoesNotMoveTheCursor red.
TEST_F(SourceTest, BackPressureKeepsTheOrderAndLosesNothing) {
  constexpr Offset kRows = 200;
  for (Offset at = 1; at <= kRows; at += 10) {
    std::vector<OutboxRow> rows;
    for (Offset offset = at; offset < at + 10; ++offset) rows.push_back(row(offset));
    commit(window(std::move(rows)));
  }
  start(1, 3);
  // One at a time, and after each the source may send one more.
  ASSERT_TRUE(wait_draining([&] { return offsets_in("tenant:42:kitchen").size() == kRows; },
                            [&] { shards_[0]->drain(1); }));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, kRows));
  EXPECT_EQ(offsets_in("tenant:42:kitchen"), range(1, kRows));
  EXPECT_GT(status().blocked.count(), 0);
}

TEST_F(SourceTest, ReadsNoFurtherWindowWhileAShardTakesNothing) {
  constexpr std::uint32_t kShards = 2;
  constexpr Offset kRows = 50;
  const std::uint32_t blocked = home_shard("tenant:42", kShards).value;
  const std::uint32_t asking = 1 - blocked;
  start(kShards, 2);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit_rows(1, kRows);
  const auto drain_asking = [&] { shards_[asking]->drain(100); };
  // Each answer is a turn of the source in which it might have read on.
  for (std::size_t turn = 1; turn <= 30; ++turn) {
    ask(IsRecordedMail{{"epoch-1", 1}, ShardIndex{asking}});
    ASSERT_TRUE(wait_draining([&] { return shards_[asking]->all<RecordedMail>().size() == turn; },
                              drain_asking));
  }
  // Two places: what does not fit any more is at most the second window.
  EXPECT_GE(database_.use([](FakeDatabase::State& state) { return state.windows.size(); }),
            kRows - 2);
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == kRows; }));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, kRows));
}

TEST_F(SourceTest, AnswersWhileAShardTakesNothing) {
  constexpr std::uint32_t kShards = 2;
  const std::uint32_t blocked = home_shard("tenant:42", kShards).value;
  const std::uint32_t asking = 1 - blocked;
  commit_rows(1, 20);
  start(kShards, 2);
  const auto drain_asking = [&] { shards_[asking]->drain(100); };
  ASSERT_TRUE(wait_draining([&] { return status().windows > 0; }, drain_asking));
  ask(append_mail(5, asking));
  ask(IsRecordedMail{{"epoch-1", 1}, ShardIndex{asking}});
  EXPECT_TRUE(wait_draining(
      [&] { return answer_to(5) != nullptr && !shards_[asking]->all<RecordedMail>().empty(); },
      drain_asking));
  ASSERT_NE(answer_to(5), nullptr);
  EXPECT_TRUE(answer_to(5)->outcome.ok());
}

TEST_F(SourceTest, AShardThatTakesNothingDoesNotKeepTheRestOfAWindowFromTheOthers) {
  constexpr std::uint32_t kShards = 2;
  std::deque<std::string> tenants;
  std::vector<OutboxRow> rows;
  std::size_t elsewhere = 0;
  const std::uint32_t blocked = home_shard("tenant:42", kShards).value;
  for (Offset offset = 1; offset <= 40; ++offset) {
    const std::string& tenant = tenants.emplace_back("t" + std::to_string(offset));
    for (const std::string& room : {"tenant:" + tenant, "tenant:" + tenant + ":kitchen"})
      if (home_shard(room, kShards).value != blocked) ++elsewhere;
    rows.push_back(row(offset, tenant));
  }
  ASSERT_GT(elsewhere, 10U);
  start(kShards, 3);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit(window(std::move(rows)));
  const std::uint32_t open = 1 - blocked;
  EXPECT_TRUE(wait_draining([&] { return shards_[open]->all<StoredMail>().size() == elsewhere; },
                            [&] { shards_[open]->drain(100); }));
}

TEST_F(SourceTest, StopIsHeardWhileBlocked) {
  commit_rows(1, 20);
  start(1, 1);
  ASSERT_TRUE(wait_draining([&] { return status().windows > 0; }, [] {}));
  stop();  // joins the thread
}

TEST_F(SourceTest, StopIsHeardWhileTheStoreIsAway) {
  database_.use([](FakeDatabase::State& state) { state.reachable = false; });
  start(1, 10);
  ASSERT_TRUE(wait_for([&] { return status().open_failures >= 2; }));
  stop();
}

TEST_F(SourceTest, AFailedRowDoesNotStopItsNeighbours) {
  auto invalid = row(2);
  invalid.payload = "[1]";
  auto reserved = row(3);
  reserved.event_type = "presence:join";
  auto huge = row(4);
  huge.payload_bytes = 10ULL << 20;
  huge.payload = {};
  auto stranger = row(5);
  stranger.room = "chat:7";
  commit(window({row(1), invalid, reserved, huge, stranger, row(6)}));
  start(2, 100);
  const auto failed = [&] {
    return database_.use([](FakeDatabase::State& state) { return state.failed; });
  };
  ASSERT_TRUE(wait_for([&] { return failed().size() == 4 && status().events == 4; }));
  EXPECT_THAT(offsets_in("tenant:42"), ElementsAre(1, 6));
  EXPECT_THAT(offsets_in("chat:7"), IsEmpty());
  const auto rows = failed();
  EXPECT_EQ(rows[0].reason, "invalid");
  EXPECT_EQ(rows[1].reason, "reserved_type");
  EXPECT_EQ(rows[2].reason, "too_large");
  EXPECT_EQ(rows[3].reason, "wrong_namespace");
  EXPECT_NE(rows[3].error.find("chat:7"), std::string::npos) << rows[3].error;
  EXPECT_EQ(status().top, 6U);
  const auto by_reason = status().rows_failed;
  EXPECT_EQ(std::accumulate(by_reason.begin(), by_reason.end(), std::uint64_t{0}), 4U);
  EXPECT_TRUE(wait_for([&] { return status().trouble.dead == 4; }));
}

TEST_F(SourceTest, APayloadThatBreaksItsSchemaFailsAndATypeWithoutOneAsConfigured) {
  std::string pattern = (std::filesystem::temp_directory_path() / "schemas-XXXXXX").string();
  config_.outbox.schemas = ::mkdtemp(pattern.data());
  config_.outbox.unknown_events = UnknownEvents::reject;
  std::ofstream(config_.outbox.schemas + "/kitchen.task.claimed.json")
      << R"({"required":["taskId"]})";
  const auto typed = [](Offset offset, const char* type, const char* payload) {
    auto made = row(offset);
    made.event_type = type;
    made.payload = payload;
    made.payload_bytes = made.payload.size();
    return made;
  };
  auto plain = typed(4, "any", "1");
  plain.kind = OutboxRow::Kind::plain;
  plain.room = "tenant:42";
  commit(window({typed(1, "kitchen.task.claimed", R"({"taskId":"7"})"),
                 typed(2, "kitchen.task.claimed", R"({"task":"7"})"),
                 typed(3, "kitchen.task.burnt", "{}"), plain}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] {
    return status().events == 3 &&
           database_.use([](FakeDatabase::State& state) { return state.failed.size() == 2; });
  }));
  std::filesystem::remove_all(config_.outbox.schemas);
  EXPECT_THAT(offsets_in("tenant:42"), ElementsAre(1, 4)) << "a plain row is not checked";
  const auto rows = database_.use([](FakeDatabase::State& state) { return state.failed; });
  EXPECT_EQ(rows[0].reason, "schema");
  EXPECT_THAT(rows[0].error, testing::HasSubstr("'taskId'"));
  EXPECT_EQ(rows[1].reason, "unknown_event");
  EXPECT_THAT(rows[1].error, testing::HasSubstr("kitchen.task.burnt has no schema"));
}

TEST_F(SourceTest, AWindowOfFailedRowsAloneMovesThePosition) {
  auto invalid = row(3);
  invalid.version = 2;
  commit(window({invalid}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return !shards_[0]->all<StorePositionMail>().empty(); }));
  EXPECT_EQ(shards_[0]->all<StorePositionMail>().front()->offset, 3U);
}

TEST_F(SourceTest, LargeRowsAreCountedAndDelivered) {
  auto large = row(1);
  const std::string payload = R"({"text":")" + std::string(40 << 10, 'x') + R"("})";
  large.payload = payload;
  large.payload_bytes = large.payload.size();
  commit(window({large}));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return status().events == 2; }));
  EXPECT_EQ(status().rows_above_warn, 1U);
}

TEST_F(SourceTest, AppendsThatWaitShareOneTransaction) {
  for (std::uint64_t tag = 1; tag <= 10; ++tag) ask(append_mail(tag));
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return answer_to(10) != nullptr; }));
  EXPECT_EQ(database_.use([](FakeDatabase::State& state) { return state.appended; }),
            std::vector<std::size_t>{10});
  for (std::uint64_t tag = 1; tag <= 10; ++tag) {
    ASSERT_NE(answer_to(tag), nullptr);
    EXPECT_TRUE(answer_to(tag)->outcome.ok());
    EXPECT_EQ(answer_to(tag)->room, "tenant:42");
  }
  EXPECT_TRUE(wait_for([&] { return status().appended == 10; }));
}

TEST_F(SourceTest, AnAppendIsFollowedByAReadAtOnce) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  const auto reads = [&] {
    return database_.use([](FakeDatabase::State& state) { return state.reads.size(); });
  };
  ask(append_mail(1));
  ASSERT_TRUE(wait_for([&] { return answer_to(1) != nullptr; }));
  const std::size_t before = reads();
  ask(append_mail(2));
  EXPECT_TRUE(wait_for([&] { return answer_to(2) != nullptr && reads() > before; }));
}

TEST_F(SourceTest, EachAppendGetsItsOwnAnswer) {
  config_.outbox.envelope_bytes_max = 100;
  start(1, 100);
  AppendMail large = append_mail(1);
  large.row.data = std::make_shared<const std::string>('"' + std::string(99, 'x') + '"');
  AppendMail fits = append_mail(2);
  fits.row.data = std::make_shared<const std::string>('"' + std::string(98, 'x') + '"');
  AppendMail reserved = append_mail(3);
  reserved.row.event_type = "ringcast:x";
  AppendMail stranger = append_mail(4);
  stranger.row.room = "chat:1";
  AppendMail conflict = append_mail(5);
  conflict.row.idempotency_key = "conflict";
  AppendMail no_tenant = append_mail(6);
  no_tenant.row.room.clear();
  no_tenant.row.event_type = "kitchen.x";
  no_tenant.row.envelope = EnvelopeKey{"4:2", "Task", "1"};
  AppendMail envelope = append_mail(7);
  envelope.row.room.clear();
  envelope.row.event_type = "kitchen.x";
  envelope.row.envelope = EnvelopeKey{"42", "Task", "1"};
  for (auto* mail : {&large, &fits, &reserved, &stranger, &conflict, &no_tenant, &envelope})
    ask(std::move(*mail));
  ASSERT_TRUE(wait_for([&] { return shards_[0]->all<PublishedMail>().size() == 7; }));
  EXPECT_EQ(answer_to(1)->outcome.error().code, Errc::payload_too_large);
  EXPECT_TRUE(answer_to(2)->outcome.ok());
  EXPECT_EQ(answer_to(3)->outcome.error().code, Errc::validation);
  EXPECT_EQ(answer_to(4)->outcome.error().code, Errc::validation);
  EXPECT_NE(answer_to(4)->outcome.error().detail.find("chat:1"), std::string::npos);
  EXPECT_EQ(answer_to(5)->outcome.error().code, Errc::conflict);
  EXPECT_EQ(answer_to(6)->outcome.error().code, Errc::validation);
  EXPECT_TRUE(answer_to(7)->outcome.ok());
}

TEST_F(SourceTest, ALostStoreIsOpenedAgainAndNothingIsLost) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit_rows(1, 3);
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 3; }));
  database_.use([](FakeDatabase::State& state) { state.reachable = false; });
  ASSERT_TRUE(wait_for([&] { return status().state == State::lost; }));
  EXPECT_NE(status().detail, "");
  commit_rows(4, 6);
  ask(append_mail(1));
  ask(ReadNowMail{10, reply_to(2)});
  ask(IsRecordedMail{{"epoch-1", 1}, ShardIndex{0}});
  // At once: the store is still away.
  ASSERT_TRUE(wait_for([&] {
    return answer_to(1) != nullptr && !shards_[0]->all<ReadNowAnswerMail>().empty() &&
           !shards_[0]->all<RecordedMail>().empty();
  }));
  EXPECT_EQ(answer_to(1)->outcome.error().code, Errc::unavailable);
  EXPECT_EQ(shards_[0]->all<ReadNowAnswerMail>()[0]->outcome.error().code, Errc::unavailable);
  // Not a no: that would tell a subscriber to go back to before what it has seen.
  EXPECT_EQ(shards_[0]->all<RecordedMail>()[0]->recorded.error().code, Errc::unavailable);
  const std::size_t states = shards_[0]->all<StoreStateMail>().size();
  database_.use([](FakeDatabase::State& state) { state.reachable = true; });
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 6; }));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 6));
  EXPECT_EQ(shards_[0]->all<StoreStateMail>().size(), states);  // the same epoch goes on
  EXPECT_EQ(database_.use([](FakeDatabase::State& state) { return state.opens; }), 1U);
}

TEST_F(SourceTest, WhatWasReadBeforeTheLossIsStillDelivered) {
  start(1, 2);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit(window({row(1), row(2), row(3), row(4)}));
  ASSERT_TRUE(wait_draining([&] { return status().windows > 0; }, [] {}));
  database_.use([](FakeDatabase::State& state) { state.reachable = false; });
  ask(append_mail(1));  // notices the loss while the window waits for credits
  ASSERT_TRUE(wait_draining([&] { return status().state == State::lost; }, [] {}));
  EXPECT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 4; }));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 4));
}

TEST_F(SourceTest, AnotherEpochIsAnnouncedAndReplayed) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit_rows(10, 12);
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 3; }));
  database_.use([](FakeDatabase::State& state) { state.reachable = false; });
  ASSERT_TRUE(wait_for([&] { return status().state == State::lost; }));
  commit_rows(1, 2);
  database_.use([](FakeDatabase::State& state) {
    state.epoch = "epoch-2";
    state.replay = 2;
    state.last = 0;
    state.reachable = true;
  });
  ASSERT_TRUE(wait_for([&] {
    const auto states = shards_[0]->all<StoreStateMail>();
    return states.back()->ready && states.back()->epoch == "epoch-2";
  }));
  const auto states = shards_[0]->all<StoreStateMail>();
  ASSERT_EQ(states.size(), 4U);
  EXPECT_EQ(states[2]->epoch, "epoch-2");
  EXPECT_FALSE(states[2]->ready);
  EXPECT_EQ(states[2]->top, 0U);
  EXPECT_EQ(states[3]->top, 2U);
  EXPECT_THAT(offsets_in("tenant:42"), ElementsAre(10, 11, 12, 1, 2));
}

TEST_F(SourceTest, AStoreThatIsAwayAtStartIsWaitedFor) {
  database_.use([](FakeDatabase::State& state) { state.reachable = false; });
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return status().open_failures >= 2; }));
  EXPECT_EQ(status().state, State::opening);
  ask(append_mail(1));
  ASSERT_TRUE(wait_for([&] { return answer_to(1) != nullptr; }));
  EXPECT_EQ(answer_to(1)->outcome.error().code, Errc::unavailable);
  EXPECT_THAT(shards_[0]->all<StoreStateMail>(), IsEmpty());
  database_.use([](FakeDatabase::State& state) { state.reachable = true; });
  EXPECT_TRUE(wait_for([&] { return is_ready(); }));
}

TEST_F(SourceTest, ABusyStoreIsAskedAgainAndNotReopened) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  database_.use([](FakeDatabase::State& state) { state.busy = true; });
  commit_rows(1, 2);
  ASSERT_TRUE(wait_for([&] { return status().detail == "fake: busy"; }));
  database_.use([](FakeDatabase::State& state) { state.busy = false; });
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 2; }));
  EXPECT_EQ(database_.use([](FakeDatabase::State& state) { return state.reopens; }), 0U);
}

TEST_F(SourceTest, NoErrorOfTheStoreIsTheVerdictOfARow) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  for (Offset offset = 1; offset <= 6; ++offset) {
    database_.use([&](FakeDatabase::State& state) {
      (offset % 2 == 0 ? state.busy : state.refuses_failed) = true;
      state.reachable = offset % 3 != 0;
    });
    auto bad = row(2 * offset);
    bad.payload = "[1]";
    commit(window({row(2 * offset - 1), bad}));
    ASSERT_TRUE(wait_for([&] {
      return offset % 3 == 0   ? status().state == SourceStatus::State::lost
             : offset % 2 == 0 ? status().detail == "fake: busy"
                               : status().rows == 2 * offset;
    }));
    database_.use([](FakeDatabase::State& state) {
      state.busy = state.refuses_failed = false;
      state.reachable = true;
    });
    ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == offset; }));
  }
  ASSERT_TRUE(wait_for([&] {
    return database_.use([](FakeDatabase::State& state) { return state.failed.size(); }) == 6;
  }));
  EXPECT_EQ(offsets_in("tenant:42"), (std::vector<Offset>{1, 3, 5, 7, 9, 11}));
  for (const FailedRow& failed :
       database_.use([](FakeDatabase::State& state) { return state.failed; }))
    EXPECT_EQ(failed.reason, "invalid");
}

TEST_F(SourceTest, RowsOfAHeldAggregateArePutBackOnceTheirHeadIsDelivered) {
  config_.outbox.hold = {"*"};
  start(1, 100);
  auto head = row(1);
  head.payload = "[1]";
  commit(window({head, row(2), row(3)}));
  ASSERT_TRUE(wait_for([&] {
    return database_.use([](FakeDatabase::State& state) { return state.failed.size(); }) == 3;
  }));
  const auto failed = database_.use([](FakeDatabase::State& state) { return state.failed; });
  EXPECT_EQ(failed[0].reason, "invalid");
  EXPECT_EQ(failed[0].hold_at, 1U);
  EXPECT_EQ(failed[1].reason, "held");
  EXPECT_EQ(failed[2].hold_at, 3U);
  database_.use([](FakeDatabase::State& state) { state.refuses_failed = true; });
  auto copy = row(4);
  copy.redrive_of = 1;
  commit(window({copy}));
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 1; }));
  database_.use([](FakeDatabase::State& state) { state.refuses_failed = false; });
  ASSERT_TRUE(wait_for([&] {
    return database_.use([](FakeDatabase::State& state) { return state.put_back.size(); }) == 2;
  }));
  database_.use([](FakeDatabase::State& state) {
    EXPECT_THAT(state.put_back, testing::ElementsAre(2, 3));
    EXPECT_THAT(state.ended, testing::Contains(EndedHold{1, 4}));
  });
}

TEST_F(SourceTest, AStartInTheMidstOfAHoldGoesOnWithIt) {
  config_.outbox.hold = {"*"};
  database_.use([](FakeDatabase::State& state) {
    state.floor = 5;
    state.delivered = state.last = 10;
    const std::string aggregate = aggregate_name("42", "Task", "task");
    state.held = {{9, 9, true, true, aggregate}, {10, 10, false, true, aggregate}};
  });
  start(1, 100);
  commit(window({row(11), row(12, "43")}));
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:43").size() == 1; }));
  EXPECT_TRUE(offsets_in("tenant:42").empty());
  auto copy = row(13);
  copy.redrive_of = 9;
  commit(window({copy}));
  ASSERT_TRUE(wait_for([&] {
    return database_.use([](FakeDatabase::State& state) { return state.put_back.size(); }) == 2;
  }));
  EXPECT_EQ(offsets_in("tenant:42"), (std::vector<Offset>{13}));
}

TEST_F(SourceTest, AGapInTheTableRaisesTheFloorBehindTheWindow) {
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  auto gap = window({row(5)});
  gap.begins_after_gap = true;
  commit(std::move(gap));
  ASSERT_TRUE(wait_for([&] { return shards_[0]->all<StoreStateMail>().back()->floor == 5; }));
  EXPECT_TRUE(shards_[0]->all<StoreStateMail>().back()->ready);
  EXPECT_EQ(offsets_in("tenant:42"), range(5, 5));
}

TEST_F(SourceTest, OnRequestOneWindowIsRecordedAndCounted) {
  config_.outbox.continuous = false;
  auto invalid = row(2);
  invalid.payload = "1";
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit(window({row(1), invalid}));
  commit(window({row(3)}));
  const auto answers = [&] { return shards_[0]->all<ReadNowAnswerMail>(); };
  ask(ReadNowMail{7, reply_to(1)});
  ASSERT_TRUE(wait_for([&] { return answers().size() == 1; }));
  const ReadNow first = answers()[0]->outcome.value();
  EXPECT_EQ(first.published, 1U);
  EXPECT_EQ(first.failed, 1U);
  EXPECT_EQ(first.skipped, 0U);
  EXPECT_EQ(first.oldest_pending_seconds, 1.5);
  EXPECT_THAT(database_.use([](FakeDatabase::State& state) { return state.limits; }),
              testing::Contains(7U));
  EXPECT_EQ(offsets_in("tenant:42"), range(1, 1));
  ask(ReadNowMail{0, reply_to(2)});
  ASSERT_TRUE(wait_for([&] { return answers().size() == 2; }));
  EXPECT_EQ(answers()[1]->outcome.value().published, 1U);
  EXPECT_EQ(answers()[1]->outcome.value().oldest_pending_seconds, std::nullopt);
}

TEST_F(SourceTest, WindowsOfAnotherDaemonAreDeliveredAndCountAsSkipped) {
  config_.outbox.continuous = false;
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  auto theirs = window({row(1), row(2)});
  theirs.ours = false;
  commit(std::move(theirs));
  // Recorded by another: delivered here without being asked.
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 2; }));
  EXPECT_EQ(database_.use([](FakeDatabase::State& state) { return state.reads.back(); }),
            OutboxStore::Read::recorded_only);
}

TEST_F(SourceTest, OnRequestAnAppendIsRecordedToo) {
  config_.outbox.continuous = false;
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  commit(window({row(1)}));
  ask(append_mail(1));
  EXPECT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 1; }));
}

TEST_F(SourceTest, IsRecordedKnowsPositionAndEpoch) {
  commit_rows(1, 3);
  start(1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready() && status().top == 3; }));
  ask(IsRecordedMail{{"epoch-1", 3}, ShardIndex{0}});
  ask(IsRecordedMail{{"epoch-1", 4}, ShardIndex{0}});
  ask(IsRecordedMail{{"epoch-0", 3}, ShardIndex{0}});
  const auto answers = [&] { return shards_[0]->all<RecordedMail>(); };
  ASSERT_TRUE(wait_for([&] { return answers().size() == 3; }));
  EXPECT_TRUE(answers()[0]->recorded.value());
  EXPECT_EQ(answers()[0]->position.offset, 3U);
  EXPECT_FALSE(answers()[1]->recorded.value());
  EXPECT_FALSE(answers()[2]->recorded.value());
}

TEST_F(SourceTest, RetiresStepByStepUntilThereIsNoMore) {
  database_.use([](FakeDatabase::State& state) { state.to_retire = 3; });
  start(1, 100);
  const auto retired = [&] {
    return database_.use([](FakeDatabase::State& state) { return state.retired; });
  };
  ASSERT_TRUE(wait_for([&] { return retired() == 3; }));
  commit_rows(1, 3);
  EXPECT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 3; }));
}

TEST_F(SourceTest, RetiresNothingWhereRowsAreKeptForEver) {
  config_.outbox.retention_days = 0;
  database_.use([](FakeDatabase::State& state) { state.to_retire = 1; });
  commit_rows(1, 3);
  start(1, 100);
  ASSERT_TRUE(wait_for([&] {
    return database_.use([](FakeDatabase::State& state) { return state.delivered; }) == 3;
  }));
  EXPECT_EQ(database_.use([](FakeDatabase::State& state) { return state.retired; }), 0U);
}

TEST_F(SourceTest, WhoeverWaitsWhenItStopsIsAnswered) {
  ask(append_mail(1));
  ask(ReadNowMail{1, reply_to(2)});
  ask(StopMail{});
  start(1, 100);
  ASSERT_TRUE(wait_for(
      [&] { return answer_to(1) != nullptr && !shards_[0]->all<ReadNowAnswerMail>().empty(); }));
}

TEST_F(SourceTest, MoreThanTheMostOnRequestAreRefused) {
  config_.outbox.continuous = false;
  for (std::uint64_t tag = 0; tag <= Source::kReadNowMax; ++tag) ask(ReadNowMail{1, reply_to(tag)});
  start(1, 100);
  const auto answers = [&] { return shards_[0]->all<ReadNowAnswerMail>(); };
  ASSERT_TRUE(wait_for([&] { return answers().size() == Source::kReadNowMax + 1; }));
  const auto all = answers();
  const auto refused = std::count_if(all.begin(), all.end(),
                                     [](const auto* answer) { return !answer->outcome.ok(); });
  EXPECT_EQ(refused, 1);
}

}  // namespace

}  // namespace ringcast
