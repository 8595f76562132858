// What every OutboxStore must do, whatever database is behind it. A test program includes this
// header once and instantiates OutboxStoreSuite with its backend.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/config.hpp"
#include "message/envelope.hpp"
#include "message/json.hpp"
#include "message/uuid.hpp"
#include "store/outbox_store.hpp"
#include "unit/store/store_backend.hpp"

namespace ringcast {

using BackendFactory = std::function<std::unique_ptr<StoreBackend>()>;

inline constexpr std::chrono::seconds kLongHistory{3'600};
inline constexpr std::uint64_t kLargeReplay = 64ULL << 20;

class OutboxStoreSuite : public testing::TestWithParam<BackendFactory> {
 protected:
  OutboxStoreSuite() : backend_(GetParam()()) {
    config_.store.url = "of the backend";
    with_default_namespaces(config_);
  }

  std::unique_ptr<OutboxStore> open_store(std::chrono::seconds history = kLongHistory,
                                          std::uint64_t replay_bytes_max = kLargeReplay) {
    auto store = backend_->make_store(config_);
    auto state = store->open(history, replay_bytes_max);
    EXPECT_TRUE(state.ok()) << (state.ok() ? "" : state.error().detail);
    if (state.ok()) state_ = *state;
    return store;
  }

  // All rows up to the end, in windows of at most `limit`.
  std::vector<OutboxRow> read_all(OutboxStore& store, std::uint32_t limit = 1'000) {
    std::vector<OutboxRow> rows;
    for (;;) {
      auto window = store.next(OutboxStore::Read::record_on, limit);
      EXPECT_TRUE(window.ok()) << (window.ok() ? "" : window.error().detail);
      if (!window.ok() || window->rows.empty()) return rows;
      EXPECT_LE(window->rows.size(), limit);
      EXPECT_EQ(window->top, window->rows.back().offset);
      rows.insert(rows.end(), window->rows.begin(), window->rows.end());
      memory_.push_back(std::move(window->memory));
    }
  }

  static std::vector<std::string> names(const std::vector<OutboxRow>& rows) {
    std::vector<std::string> names;
    for (const OutboxRow& row : rows) names.emplace_back(row.aggregate_id);
    return names;
  }

  static std::vector<Offset> offsets(const std::vector<OutboxRow>& rows) {
    std::vector<Offset> offsets;
    for (const OutboxRow& row : rows) offsets.push_back(row.offset);
    return offsets;
  }

  void write(std::initializer_list<std::string> names) {
    auto writer = backend_->make_writer();
    for (const std::string& name : names) writer->write({name});
  }

  static PlainRow plain(std::string data, std::string key = "") {
    PlainRow row;
    row.event_id = Uuid::random();
    row.room = "tenant:42";
    row.event_type = "note";
    row.data = std::make_shared<const std::string>(std::move(data));
    row.user = "u1";
    row.idempotency_key = std::move(key);
    return row;
  }

  static Result<Appended> append_one(OutboxStore& store, const PlainRow& row) {
    auto outcomes = store.append(std::span(&row, 1));
    if (!outcomes.ok()) return outcomes.error();
    EXPECT_EQ(outcomes->size(), 1U);
    return outcomes->front();
  }

  // Sleeps as the source does until the store says that next() is worth a call.
  static bool wait_until_woken(OutboxStore& store, std::chrono::seconds at_most) {
    const SystemClock clock;
    const Instant end = clock.now() + at_most;
    while (clock.now() < end) {
      std::vector<pollfd> fds;
      const Instant until = std::min(end, store.arm(fds, clock.now()));
      const Nanos wait = std::max(Nanos{0}, until - clock.now());
      const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
      ::ppoll(fds.data(), fds.size(), &timeout, nullptr);
      if (store.woke(fds, clock.now())) return true;
    }
    return false;
  }

  Config config_;
  std::unique_ptr<StoreBackend> backend_;
  StoreState state_;                           // of the store opened last
  std::vector<std::shared_ptr<void>> memory_;  // of the rows of read_all()
};

TEST_P(OutboxStoreSuite, GivesCommittedRowsInOrderAtRisingOffsets) {
  auto store = open_store();
  write({"a", "b", "c", "d", "e"});
  const auto rows = read_all(*store, 2);
  EXPECT_THAT(names(rows), testing::ElementsAre("a", "b", "c", "d", "e"));
  const auto positions = offsets(rows);
  EXPECT_TRUE(std::is_sorted(positions.begin(), positions.end(), std::less_equal<>()));
  EXPECT_GT(positions.front(), 0U);
  EXPECT_LE(positions.back(), kOffsetMax);
}

TEST_P(OutboxStoreSuite, GivesWhatWasWritten) {
  auto store = open_store();
  auto writer = backend_->make_writer();
  writer->write(
      {"task-1", R"({"taskId":"t"})", "42", "kitchen.task.claimed", std::nullopt, "Task"});
  writer->write({"task-2", R"({})", "42", "kitchen.task.claimed", "tenant:42:vip", "Task"});
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].tenant_id, "42");
  EXPECT_EQ(rows[0].aggregate_type, "Task");
  EXPECT_EQ(rows[0].aggregate_id, "task-1");
  EXPECT_EQ(rows[0].event_type, "kitchen.task.claimed");
  EXPECT_EQ(rows[0].version, 1);
  EXPECT_EQ(rows[0].kind, OutboxRow::Kind::envelope);
  EXPECT_EQ(rows[0].room, std::nullopt);
  EXPECT_TRUE(rows[0].event_id) << rows[0].event_id_text;
  EXPECT_TRUE(rows[0].occurred_at);
  EXPECT_EQ(rows[0].payload_bytes, rows[0].payload.size());
  EXPECT_NE(rows[0].payload.find("taskId"), std::string::npos);
  EXPECT_EQ(rows[1].room, "tenant:42:vip");
  EXPECT_NE(rows[0].event_id, rows[1].event_id);
}

TEST_P(OutboxStoreSuite, AnEmptyDatabaseHasNothingToGive) {
  auto store = open_store();
  EXPECT_FALSE(store->replaying());
  EXPECT_THAT(read_all(*store), testing::IsEmpty());
  const auto backlog = store->backlog();
  ASSERT_TRUE(backlog.ok());
  EXPECT_EQ(backlog->rows, 0U);
  EXPECT_EQ(backlog->oldest_seconds, std::nullopt);
}

TEST_P(OutboxStoreSuite, ARolledBackRowNeverShows) {
  auto store = open_store();
  auto writer = backend_->make_writer();
  writer->begin();
  EXPECT_TRUE(writer->insert({"gone"}));
  EXPECT_THAT(read_all(*store), testing::IsEmpty());
  writer->roll_back();
  writer->write({"kept"});
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("kept"));
}

TEST_P(OutboxStoreSuite, AnOpenTransactionShowsWithItsCommitAndNotBefore) {
  auto store = open_store();
  auto writer = backend_->make_writer();
  writer->begin();
  EXPECT_TRUE(writer->insert({"late-1"}));
  EXPECT_TRUE(writer->insert({"late-2"}));
  EXPECT_THAT(read_all(*store), testing::IsEmpty());
  writer->commit();
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("late-1", "late-2"));
}

TEST_P(OutboxStoreSuite, MoreSaysThatThereIsMore) {
  auto store = open_store();
  write({"a", "b", "c"});
  const auto first = store->next(OutboxStore::Read::record, 2);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->rows.size(), 2U);
  EXPECT_TRUE(first->more);
  const auto second = store->next(OutboxStore::Read::record, 2);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->rows.size(), 1U);
  EXPECT_FALSE(second->more);
}

TEST_P(OutboxStoreSuite, ARestartReplaysTheSameRowsAtTheSamePositions) {
  auto store = open_store();
  const Epoch epoch = state_.epoch;
  write({"a", "b", "c"});
  const auto before = read_all(*store, 2);
  store.reset();

  store = open_store();
  EXPECT_EQ(state_.epoch, epoch);
  EXPECT_TRUE(store->replaying());
  const auto after = read_all(*store, 2);
  EXPECT_FALSE(store->replaying());
  EXPECT_EQ(names(after), names(before));
  EXPECT_EQ(offsets(after), offsets(before));
}

TEST_P(OutboxStoreSuite, AReopenedStoreGoesOnWhereItWas) {
  auto store = open_store();
  write({"a", "b"});
  const auto before = read_all(*store);
  write({"c"});
  const auto state = store->reopen();
  ASSERT_TRUE(state.ok()) << state.error().detail;
  EXPECT_EQ(state->epoch, state_.epoch);
  const auto after = read_all(*store);
  EXPECT_THAT(names(after), testing::ElementsAre("c"));
  EXPECT_GT(after.front().offset, before.back().offset);
}

TEST_P(OutboxStoreSuite, TwoDaemonsGiveEveryRowTheSameOffset) {
  auto one = open_store();
  auto other = open_store();
  std::vector<OutboxRow> of_one;
  std::vector<OutboxRow> of_other;
  for (int round = 0; round < 8; ++round) {
    write({"a" + std::to_string(round), "b" + std::to_string(round)});
    OutboxStore& first = round % 2 == 0 ? *one : *other;
    auto& into = round % 2 == 0 ? of_one : of_other;
    for (auto& row : read_all(first, 3)) into.push_back(row);
  }
  for (auto& row : read_all(*one)) of_one.push_back(row);
  for (auto& row : read_all(*other)) of_other.push_back(row);
  EXPECT_EQ(of_one.size(), 16U);
  EXPECT_EQ(names(of_one), names(of_other));
  EXPECT_EQ(offsets(of_one), offsets(of_other));
}

TEST_P(OutboxStoreSuite, WritersThatRunTogetherLoseNothing) {
  auto store = open_store();
  constexpr int kWriters = 4;
  constexpr int kRowsEach = 50;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([this, w] {
      auto writer = backend_->make_writer();
      for (int i = 0; i < kRowsEach; ++i) {
        writer->begin();
        writer->insert({std::to_string(w) + "-" + std::to_string(i)});
        if (i % 7 == 3)
          writer->roll_back();
        else
          writer->commit();
      }
    });
  }
  std::vector<OutboxRow> rows;
  constexpr std::size_t kCommitted = kWriters * (kRowsEach - 7);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (rows.size() < kCommitted && std::chrono::steady_clock::now() < end)
    for (auto& row : read_all(*store)) rows.push_back(row);
  for (auto& writer : writers) writer.join();
  for (auto& row : read_all(*store)) rows.push_back(row);
  ASSERT_EQ(rows.size(), kCommitted);
  // What one writer committed first comes first.
  for (int w = 0; w < kWriters; ++w) {
    int last = -1;
    for (const OutboxRow& row : rows) {
      if (!row.aggregate_id.starts_with(std::to_string(w) + "-")) continue;
      const int at = std::stoi(std::string(row.aggregate_id.substr(2)));
      EXPECT_GT(at, last);
      last = at;
    }
  }
}

TEST_P(OutboxStoreSuite, ARowOfSixtyKibibytesComesWhole) {
  auto store = open_store();
  const std::string text(60 << 10, 'x');
  backend_->make_writer()->write({"large", R"({"text":")" + text + R"("})"});
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_NE(rows[0].payload.find(text), std::string::npos);
}

TEST_P(OutboxStoreSuite, ARowOfTenMebibytesIsNotFetchedAndItsNeighboursCome) {
  auto store = open_store();
  auto writer = backend_->make_writer();
  writer->write({"before"});
  writer->write({"huge", R"({"text":")" + std::string(10 << 20, 'x') + R"("})"});
  writer->write({"after"});
  const auto rows = read_all(*store);
  EXPECT_THAT(names(rows), testing::ElementsAre("before", "huge", "after"));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_TRUE(rows[1].payload.empty());
  EXPECT_GT(rows[1].payload_bytes, std::uint64_t{10} << 20);
}

TEST_P(OutboxStoreSuite, WindowsAreBoundedInBytes) {
  auto store = open_store();
  auto writer = backend_->make_writer();
  constexpr int kRows = 12;
  for (int i = 0; i < kRows; ++i)
    writer->write({std::to_string(i), R"({"text":")" + std::string(40 << 10, 'x') + R"("})"});
  std::size_t rows = 0;
  while (rows < kRows) {
    const auto window = store->next(OutboxStore::Read::record, 1'000);
    ASSERT_TRUE(window.ok());
    // PostgreSQL records without rows first and then gives them in pages: an empty one is allowed.
    ASSERT_TRUE(!window->rows.empty() || window->more);
    std::uint64_t bytes = 0;
    for (const OutboxRow& row : window->rows) bytes += row.payload.size();
    EXPECT_LE(window->rows.size(), static_cast<std::size_t>(kRows));
    EXPECT_LE(bytes, std::max<std::uint64_t>(1ULL << 20, config_.outbox.window_bytes_max));
    rows += window->rows.size();
  }
  EXPECT_EQ(rows, static_cast<std::size_t>(kRows));
}

TEST_P(OutboxStoreSuite, RowsOutsideTheAlphabetAreRefusedAtInsert) {
  auto store = open_store();
  const RowToWrite bad[] = {
      {"x", "{}", "42:kitchen"},
      {"x", "{}", ""},
      {"x", "{}", std::string(121, 'a')},
      {"x", "{}", "4 2"},
      {"x", "{}", "42", std::string(129, 'e')},
      {"x", "{}", "42", ""},
      {"x", "{}", "42", "kit:chen.task"},
      {"", "{}"},
      {"x", "{}", "42", "kitchen.task.claimed", std::nullopt, ""},
  };
  for (const RowToWrite& row : bad) {
    auto writer = backend_->make_writer();
    writer->begin();
    EXPECT_FALSE(writer->insert(row)) << row.tenant_id << ' ' << row.event_type;
    writer->roll_back();
  }
  auto writer = backend_->make_writer();
  writer->write({"fits", "{}", std::string(120, 'a'), "m." + std::string(126, 'e')});
  writer->write({"module", "{}", "a_.~-Z9", std::string(120, 'm') + ".x"});
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("fits", "module"));
}

TEST_P(OutboxStoreSuite, WhatTheEngineWouldFailIsRefusedAtInsert) {
  auto store = open_store();
  const auto row = [](const char* id, auto set) {
    RowToWrite made{id};
    set(made);
    return made;
  };
  const auto text = [](std::size_t octets) { return std::string(octets - 2, 'x') + "\u00e9"; };
  const RowToWrite good[] = {
      row("type", [&](RowToWrite& made) { made.aggregate_type = text(255); }),
      row("", [&](RowToWrite& made) { made.aggregate_id = text(255); }),
      row("key", [&](RowToWrite& made) { made.conflation_key = text(255); }),
      row("user", [](RowToWrite& made) { made.exclude_user = std::string(119, 'u') + "~"; }),
      row("room", [&](RowToWrite& made) { made.room = text(255); }),
  };
  const RowToWrite bad[] = {
      row("type", [&](RowToWrite& made) { made.aggregate_type = text(256); }),
      row("", [&](RowToWrite& made) { made.aggregate_id = text(256); }),
      row("key", [&](RowToWrite& made) { made.conflation_key = text(256); }),
      row("room", [&](RowToWrite& made) { made.room = text(256); }),
      row("user", [](RowToWrite& made) { made.exclude_user = std::string(121, 'u'); }),
      row("user", [](RowToWrite& made) { made.exclude_user = "a b"; }),
      row("user", [](RowToWrite& made) { made.exclude_user = "ann\n"; }),
      row("user", [](RowToWrite& made) { made.exclude_user = "\u00e9"; }),
  };
  auto writer = backend_->make_writer();
  for (const RowToWrite& one : good) writer->write(one);
  for (const RowToWrite& one : bad) {
    writer->begin();
    EXPECT_FALSE(writer->insert(one)) << one.aggregate_id << ' ' << one.exclude_user;
    writer->roll_back();
  }
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), std::size(good));
  for (const OutboxRow& one : rows)
    EXPECT_TRUE(std::holds_alternative<RowEvents>(events_of(one, {}))) << one.aggregate_id;
}

TEST_P(OutboxStoreSuite, AFailedRowIsKeptOnceHoweverOftenItIsReported) {
  auto store = open_store();
  write({"a", "b"});
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 2U);
  const FailedRow failed[] = {
      {rows[0].id, rows[0].event_id->text(), "invalid", "payload: is no object"}};
  ASSERT_TRUE(store->fail(failed).ok());
  ASSERT_TRUE(store->fail(failed).ok());
  store = open_store();
  ASSERT_TRUE(store->fail(failed).ok());
  EXPECT_EQ(backend_->failed_rows(), 1U);
  const FailedRow both[] = {failed[0],
                            {rows[1].id, rows[1].event_id->text(), "too_large", "payload"}};
  ASSERT_TRUE(store->fail(both).ok());
  EXPECT_EQ(backend_->failed_rows(), 2U);
  const auto trouble = store->trouble();
  ASSERT_TRUE(trouble.ok()) << trouble.error().detail;
  EXPECT_EQ(trouble->dead, 2U);
}

TEST_P(OutboxStoreSuite, ARowIsPendingUntilItIsNotedAsDeliveredThenPublishedOrFailed) {
  auto store = open_store();
  EXPECT_EQ(state_.delivered, 0U);
  write({"a", "b", "c"});
  const auto first = store->next(OutboxStore::Read::record, 2);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->rows.size(), 2U);
  EXPECT_EQ(backend_->status("a"), "pending - 0");
  const FailedRow failed[] = {
      {first->rows[1].id, first->rows[1].event_id->text(), "invalid", "payload"}};
  ASSERT_TRUE(store->fail(failed).ok());
  EXPECT_EQ(backend_->status("a"), "pending - 0");
  EXPECT_EQ(backend_->status("b"), "failed invalid 1");
  ASSERT_TRUE(store->note_delivered(first->top).ok());
  EXPECT_EQ(backend_->status("a"), "published - 0");
  EXPECT_EQ(backend_->status("b"), "failed invalid 1");
  EXPECT_EQ(backend_->status("c"), "pending - 0");
  ASSERT_TRUE(store->note_delivered(1).ok()) << "never back";
  const auto rest = read_all(*store);
  ASSERT_TRUE(store->note_delivered(rest.back().offset).ok());
  EXPECT_EQ(backend_->status("c"), "published - 0");
  store = open_store();
  EXPECT_EQ(state_.delivered, rest.back().offset);
}

TEST_P(OutboxStoreSuite, CountsWhatBeginsBehindThePositionThatIsNoted) {
  const auto store = open_store();
  const auto begins = [&](Offset delivered) {
    const auto trial = store->begin_trial(delivered);
    EXPECT_TRUE(trial.ok()) << trial.error().detail;
    return trial.ok() ? std::pair(trial->starts, trial->begun) : std::pair(99U, 99U);
  };
  using Counts = std::pair<std::uint32_t, std::uint32_t>;
  const Offset before = state_.delivered;
  EXPECT_EQ(begins(before), Counts(1, 0));
  ASSERT_TRUE(store->begin_row(before).ok());
  EXPECT_EQ(begins(before), Counts(2, 1));
  ASSERT_TRUE(store->take_back(before, {1, 1}).ok());
  EXPECT_EQ(begins(before), Counts(2, 0));
  EXPECT_EQ(begins(before + 1), Counts(0, 0)) << "not the position that is noted";
  write({"a", "b"});
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 2U);
  ASSERT_TRUE(store->begin_row(before).ok());
  ASSERT_TRUE(store->note_on_trial(rows[0].offset).ok());
  EXPECT_EQ(begins(rows[0].offset), Counts(3, 0)) << "starts go on counting";
  ASSERT_TRUE(store->note_delivered(rows[1].offset).ok());
  EXPECT_EQ(begins(rows[1].offset), Counts(1, 0));
}

TEST_P(OutboxStoreSuite, PoisonIsToldAtEachOpening) {
  auto store = open_store();
  write({"a", "b"});
  const auto rows = read_all(*store);
  const FailedRow failed[] = {{rows[0].id, rows[0].event_id->text(), "invalid", "x"},
                              {rows[1].id, rows[1].event_id->text(), "poison", "x"}};
  ASSERT_TRUE(store->fail(failed).ok());
  store.reset();
  store = open_store();
  EXPECT_EQ(state_.poison, std::vector<std::int64_t>{rows[1].id});
}

TEST_P(OutboxStoreSuite, ARowThatWasRedrivenCarriesOnTheCountOfItsAttempts) {
  auto store = open_store();
  write({"a"});
  FailedRow failed{read_all(*store).at(0).id, "", "invalid", "first"};
  ASSERT_TRUE(store->fail(std::span(&failed, 1)).ok());
  backend_->redrive("a", "again");
  failed.id = read_all(*store).at(0).id;
  ASSERT_TRUE(store->fail(std::span(&failed, 1)).ok());
  EXPECT_EQ(backend_->status("a"), "failed invalid 1");
  EXPECT_EQ(backend_->status("again"), "failed invalid 2");
}

TEST_P(OutboxStoreSuite, AFailedRowWithoutAnEventIdIsKeptToo) {
  auto store = open_store();
  write({"a"});
  const auto rows = read_all(*store);
  const FailedRow failed[] = {{rows.at(0).id, "", "invalid", "id: is not a UUID"}};
  ASSERT_TRUE(store->fail(failed).ok());
  EXPECT_EQ(backend_->failed_rows(), 1U);
}

TEST_P(OutboxStoreSuite, AnAppendedRowComesBackAsAPlainOne) {
  auto store = open_store();
  PlainRow row = plain(R"({"text":"hello"})");
  row.exclude_user = "u1";
  row.conflation_key = "k";
  const auto appended = append_one(*store, row);
  ASSERT_TRUE(appended.ok()) << appended.error().detail;
  EXPECT_EQ(appended->id, row.event_id);
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].kind, OutboxRow::Kind::plain);
  EXPECT_EQ(rows[0].event_id, row.event_id);
  EXPECT_EQ(rows[0].room, "tenant:42");
  EXPECT_EQ(rows[0].event_type, "note");
  EXPECT_EQ(rows[0].payload, *row.data);
  EXPECT_EQ(rows[0].exclude_user, "u1");
  EXPECT_EQ(rows[0].conflation_key, "k");
  if (appended->offset) {
    EXPECT_EQ(*appended->offset, rows[0].offset);
    EXPECT_EQ(appended->epoch, state_.epoch);
  }
}

TEST_P(OutboxStoreSuite, ManyAppendsShareATransactionAndKeepTheirOrder) {
  auto store = open_store();
  std::vector<PlainRow> many;
  for (int i = 0; i < 300; ++i) many.push_back(plain(std::to_string(i)));
  const auto outcomes = store->append(many);
  ASSERT_TRUE(outcomes.ok()) << outcomes.error().detail;
  ASSERT_EQ(outcomes->size(), many.size());
  for (std::size_t i = 0; i < many.size(); ++i) {
    ASSERT_TRUE(outcomes.value()[i].ok());
    EXPECT_EQ(outcomes.value()[i]->id, many[i].event_id);
  }
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), many.size());
  for (std::size_t i = 0; i < many.size(); ++i) EXPECT_EQ(rows[i].payload, std::to_string(i));
}

TEST_P(OutboxStoreSuite, ARepeatedKeyGetsTheFirstAnswerAndWritesNothing) {
  auto store = open_store();
  const PlainRow first = plain(R"({"n":1})", "key-1");
  const PlainRow again = plain(R"({"n":1})", "key-1");
  const auto answer = append_one(*store, first);
  const auto repeat = append_one(*store, again);
  ASSERT_TRUE(answer.ok());
  ASSERT_TRUE(repeat.ok());
  EXPECT_EQ(repeat->id, first.event_id);
  EXPECT_EQ(repeat->offset, answer->offset);
  store = open_store();  // it holds across restarts
  const auto after_restart = append_one(*store, plain(R"({"n":1})", "key-1"));
  ASSERT_TRUE(after_restart.ok());
  EXPECT_EQ(after_restart->id, first.event_id);
  EXPECT_EQ(read_all(*store).size(), 1U);
}

TEST_P(OutboxStoreSuite, TheSameKeyWithOtherBytesIsAConflict) {
  auto store = open_store();
  ASSERT_TRUE(append_one(*store, plain(R"({"n":1})", "key-1")).ok());
  const auto other_data = append_one(*store, plain(R"({"n":2})", "key-1"));
  ASSERT_FALSE(other_data.ok());
  EXPECT_EQ(other_data.error().code, Errc::conflict);
  PlainRow other_type = plain(R"({"n":1})", "key-1");
  other_type.event_type = "other";
  const auto refused = append_one(*store, other_type);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(read_all(*store).size(), 1U);
}

TEST_P(OutboxStoreSuite, AKeyHoldsForItsRoomAndUserAlone) {
  auto store = open_store();
  ASSERT_TRUE(append_one(*store, plain("1", "key-1")).ok());
  PlainRow other_user = plain("2", "key-1");
  other_user.user = "u2";
  EXPECT_TRUE(append_one(*store, other_user).ok());
  PlainRow nobody = plain("3", "key-1");
  nobody.user = "";
  EXPECT_TRUE(append_one(*store, nobody).ok());
  PlainRow other_room = plain("4", "key-1");
  other_room.room = "tenant:43";
  EXPECT_TRUE(append_one(*store, other_room).ok());
  EXPECT_EQ(read_all(*store).size(), 4U);
}

TEST_P(OutboxStoreSuite, KeysAreComparedWithinOneBatchToo) {
  auto store = open_store();
  const PlainRow rows[] = {plain("1", "key-1"), plain("1", "key-1"), plain("2", "key-1"),
                           plain("3")};
  const auto outcomes = store->append(rows);
  ASSERT_TRUE(outcomes.ok()) << outcomes.error().detail;
  ASSERT_EQ(outcomes->size(), 4U);
  ASSERT_TRUE(outcomes.value()[0].ok());
  ASSERT_TRUE(outcomes.value()[1].ok());
  EXPECT_EQ(outcomes.value()[1]->id, rows[0].event_id);
  ASSERT_FALSE(outcomes.value()[2].ok());
  EXPECT_EQ(outcomes.value()[2].error().code, Errc::conflict);
  EXPECT_TRUE(outcomes.value()[3].ok());
  EXPECT_EQ(read_all(*store).size(), 2U);
}

TEST_P(OutboxStoreSuite, AGivenIdDeduplicatesAsAKeyDoes) {
  auto store = open_store();
  PlainRow row = plain(R"({"n":1})");
  row.id_given = true;
  ASSERT_TRUE(append_one(*store, row).ok());
  const auto repeat = append_one(*store, row);
  ASSERT_TRUE(repeat.ok());
  EXPECT_EQ(repeat->id, row.event_id);
  row.data = std::make_shared<const std::string>("2");
  const auto conflict = append_one(*store, row);
  ASSERT_FALSE(conflict.ok());
  EXPECT_EQ(conflict.error().code, Errc::conflict);
  EXPECT_EQ(read_all(*store).size(), 1U);
}

TEST_P(OutboxStoreSuite, TwoDaemonsShareTheirKeys) {
  auto one = open_store();
  auto other = open_store();
  const PlainRow row = plain("1", "key-1");
  ASSERT_TRUE(append_one(*one, row).ok());
  const auto repeat = append_one(*other, plain("1", "key-1"));
  ASSERT_TRUE(repeat.ok());
  EXPECT_EQ(repeat->id, row.event_id);
}

TEST_P(OutboxStoreSuite, KnowsWhichPositionsAreRecorded) {
  auto store = open_store();
  auto other = open_store();
  write({"a", "b"});
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 2U);
  for (const OutboxRow& row : rows) {
    const auto recorded = other->is_recorded(row.offset);
    ASSERT_TRUE(recorded.ok());
    EXPECT_TRUE(*recorded);
  }
  for (const Offset never : {rows.back().offset + 100'000, kOffsetMax}) {
    const auto recorded = other->is_recorded(never);
    ASSERT_TRUE(recorded.ok());
    EXPECT_FALSE(*recorded) << never;
  }
}

TEST_P(OutboxStoreSuite, CountsItsBacklog) {
  auto store = open_store();
  write({"a", "b", "c"});
  const auto before = store->backlog();
  ASSERT_TRUE(before.ok()) << before.error().detail;
  EXPECT_EQ(before->rows, 3U);
  ASSERT_TRUE(before->oldest_seconds);
  EXPECT_GE(*before->oldest_seconds, 0.0);
  EXPECT_LT(*before->oldest_seconds, 60.0);
  read_all(*store);
  const auto after = store->backlog();
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->rows, 0U);
}

TEST_P(OutboxStoreSuite, ACommitElsewhereWakesWellBeforeThePoll) {
  config_.outbox.poll_interval_ms = 600'000;
  auto store = open_store();
  auto writer = backend_->make_writer();
  for (int round = 0; round < 10; ++round) {
    EXPECT_THAT(read_all(*store), testing::IsEmpty());
    std::vector<pollfd> fds;
    store->arm(fds, SystemClock().now());
    const std::string name = "row-" + std::to_string(round);
    writer->write({name});
    std::vector<std::string> seen;
    while (seen.empty() && wait_until_woken(*store, std::chrono::seconds{60}))
      seen = names(read_all(*store));
    EXPECT_THAT(seen, testing::ElementsAre(name));
  }
}

TEST_P(OutboxStoreSuite, ACommitBetweenReadAndSleepIsNotSleptOver) {
  config_.outbox.poll_interval_ms = 600'000;
  auto store = open_store();
  auto writer = backend_->make_writer();
  EXPECT_THAT(read_all(*store), testing::IsEmpty());
  writer->write({"between"});
  std::vector<std::string> seen;
  while (seen.empty() && wait_until_woken(*store, std::chrono::seconds{60}))
    seen = names(read_all(*store));
  EXPECT_THAT(seen, testing::ElementsAre("between"));
}

TEST_P(OutboxStoreSuite, OldRowsAreNotReplayedAndYoungOnesAre) {
  auto store = open_store();
  write({"old"});
  const auto old = read_all(*store);
  store.reset();
  backend_->age_by(std::chrono::seconds{1'000});
  store = open_store();
  write({"young"});
  read_all(*store);
  store.reset();

  store = open_store(std::chrono::seconds{500});
  const Offset floor = state_.floor;
  const auto replayed = read_all(*store);
  EXPECT_THAT(names(replayed), testing::ElementsAre("young"));
  // From the old row's position on, nothing is missing.
  EXPECT_GE(floor, old.back().offset);
  EXPECT_LT(floor, replayed.front().offset);
  store.reset();

  store = open_store(std::chrono::seconds{5'000});
  EXPECT_LT(state_.floor, old.front().offset);
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("old", "young"));
}

TEST_P(OutboxStoreSuite, ReplayIsBoundedInBytes) {
  auto store = open_store();
  auto writer = backend_->make_writer();
  std::vector<OutboxRow> all;
  for (int i = 0; i < 10; ++i) {
    writer->write({std::to_string(i), R"({"text":")" + std::string(1'000, 'x') + R"("})"});
    for (auto& row : read_all(*store)) all.push_back(row);
  }
  ASSERT_EQ(all.size(), 10U);
  store.reset();
  constexpr std::uint64_t kReplayBytes = 3'500;
  store = open_store(kLongHistory, kReplayBytes);
  const Offset floor = state_.floor;
  const auto replayed = read_all(*store);
  ASSERT_FALSE(replayed.empty());
  std::uint64_t bytes = 0;
  for (const OutboxRow& row : replayed) bytes += row.payload.size();
  EXPECT_LE(bytes, kReplayBytes);
  EXPECT_EQ(replayed.back().offset, all.back().offset);
  EXPECT_LT(floor, replayed.front().offset);
  EXPECT_GE(floor, all[all.size() - replayed.size() - 1].offset);
}

TEST_P(OutboxStoreSuite, WithNothingToReplayTheFloorIsTheEnd) {
  auto store = open_store();
  write({"a", "b"});
  const auto rows = read_all(*store);
  store.reset();
  store = open_store(kLongHistory, 0);
  EXPECT_FALSE(store->replaying());
  EXPECT_EQ(state_.floor, rows.back().offset);
  EXPECT_THAT(read_all(*store), testing::IsEmpty());
  write({"c"});
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("c"));
}

TEST_P(OutboxStoreSuite, ADatabaseThatIsDroppedAndRemadeHasANewEpoch) {
  auto store = open_store();
  const Epoch before = state_.epoch;
  write({"a", "b", "c"});
  EXPECT_EQ(read_all(*store).size(), 3U);
  backend_->drop_and_remake();
  const auto lost = store->next(OutboxStore::Read::record, 10);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Errc::unavailable);
  const auto state = store->reopen();
  ASSERT_TRUE(state.ok()) << state.error().detail;
  EXPECT_NE(state->epoch, before);
  EXPECT_EQ(state->floor, 0U);
  write({"d"});
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("d"));
}

TEST_P(OutboxStoreSuite, EpochsHaveNoDotAndTellDatabasesApart) {
  auto store = open_store();
  const Epoch one = state_.epoch;
  EXPECT_EQ(one.find('.'), std::string::npos);
  EXPECT_GE(one.size(), 8U);
  const auto second = GetParam()();
  auto other = second->make_store(config_);
  const auto state = other->open(kLongHistory, kLargeReplay);
  ASSERT_TRUE(state.ok());
  EXPECT_NE(state->epoch, one);
}

// Steps until there is nothing more to do.
inline void retire_all(OutboxStore& store) {
  for (;;) {
    const auto more = store.retire();
    ASSERT_TRUE(more.ok()) << more.error().detail;
    if (!*more) return;
  }
}

inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// A folder of its own, gone at the end.
class TestFolder {
 public:
  TestFolder() : path_(std::filesystem::temp_directory_path() / Uuid::random().text()) {
    std::filesystem::create_directory(path_);
  }
  ~TestFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] std::vector<std::string> all_lines() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::vector<std::string> lines;
    for (const auto& file : files)
      for (std::string& line : lines_of(file)) lines.push_back(std::move(line));
    return lines;
  }

 private:
  std::filesystem::path path_;
};

TEST_P(OutboxStoreSuite, OldRowsLeaveOnceTheyWereDelivered) {
  auto store = open_store();
  backend_->write_old("gone", 9);
  backend_->write_old("stays", 6);
  write({"new"});
  retire_all(*store);
  EXPECT_EQ(backend_->rows_left(), "gone stays new") << "nothing was delivered";
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 3U);
  ASSERT_TRUE(store->note_delivered(rows.back().offset).ok());
  retire_all(*store);
  EXPECT_EQ(backend_->rows_left(), "stays new");
  write({"later"});
  EXPECT_THAT(names(read_all(*store)), testing::ElementsAre("later"));
}

TEST_P(OutboxStoreSuite, RowsAreKeptForTheHistoryHoweverShortTheRetention) {
  config_.outbox.retention_days = 1;
  constexpr std::chrono::days kHistory{20};
  open_store(kHistory).reset();
  backend_->write_old("stays", 19);
  backend_->write_old("gone", 22);
  write({"new"});
  auto store = open_store(kHistory);
  const auto rows = read_all(*store);
  ASSERT_TRUE(store->note_delivered(rows.back().offset).ok());
  retire_all(*store);
  EXPECT_THAT(backend_->rows_left(), testing::HasSubstr("stays"));
}

TEST_P(OutboxStoreSuite, OpenDeadLettersStayAndTheirNeighboursMayLeave) {
  auto store = open_store();
  backend_->write_old("dead", 9);
  backend_->write_old("neighbour", 10);
  write({"new"});
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 3U);
  const FailedRow failed[] = {{rows[0].id, rows[0].event_id->text(), "invalid", "x"}};
  ASSERT_TRUE(store->fail(failed).ok());
  ASSERT_TRUE(store->note_delivered(rows.back().offset).ok());
  retire_all(*store);
  EXPECT_EQ(backend_->rows_left(), "dead new");
  auto outbox = backend_->make_operator();
  ASSERT_TRUE(outbox.ok());
  ASSERT_TRUE((*outbox)->drop(rows[0].id).ok());
  retire_all(*store);
  EXPECT_EQ(backend_->rows_left(), "new");
}

TEST_P(OutboxStoreSuite, WithAnArchiveEachRowIsInAFileBeforeItLeaves) {
  const TestFolder folder;
  config_.outbox.archive_folder = folder.path().string();
  open_store().reset();
  for (int i = 0; i < 3; ++i) backend_->write_old("old" + std::to_string(i), 8 + i % 2);
  write({"new"});
  auto store = open_store();
  const auto rows = read_all(*store);
  ASSERT_TRUE(store->note_delivered(rows.back().offset).ok());
  retire_all(*store);
  EXPECT_EQ(backend_->rows_left(), "new");
  const auto lines = folder.all_lines();
  ASSERT_EQ(lines.size(), 3U);
  for (const std::string& line : lines) {
    EXPECT_TRUE(check_json(line, JsonShape::object, "line").ok()) << line;
    EXPECT_THAT(line, testing::HasSubstr("\"aggregateId\":\"old"));
  }
}

TEST_P(OutboxStoreSuite, ARowThatCanNotBeArchivedStays) {
  const TestFolder folder;
  config_.outbox.archive_folder = (folder.path() / "missing").string();
  open_store().reset();
  backend_->write_old("kept", 8);
  write({"new"});
  auto store = open_store();
  ASSERT_TRUE(store->note_delivered(read_all(*store).back().offset).ok());
  Result<bool> more = true;
  while (more.ok() && *more) more = store->retire();
  ASSERT_FALSE(more.ok());
  EXPECT_THAT(more.error().detail, testing::HasSubstr("missing"));
  EXPECT_NE(more.error().code, Errc::unavailable) << "the store is not lost";
  config_.outbox.archive_folder = folder.path().string();
  store = open_store();
  retire_all(*store);
  EXPECT_EQ(backend_->rows_left(), "new");
  EXPECT_THAT(folder.all_lines(), testing::ElementsAre(testing::HasSubstr("\"kept\"")));
}

}  // namespace ringcast
