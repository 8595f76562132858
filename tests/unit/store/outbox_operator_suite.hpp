// What every OutboxOperator must do, whatever database is behind it. A test program includes this
// header once and instantiates OutboxOperatorSuite with its backend.
#pragma once

#include "message/timestamp.hpp"
#include "store/archive_file.hpp"
#include "store/outbox_operator.hpp"
#include "unit/store/outbox_store_suite.hpp"

namespace ringcast {

class OutboxOperatorSuite : public OutboxStoreSuite {
 protected:
  std::unique_ptr<OutboxOperator> open_operator() {
    auto made = backend_->make_operator();
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().detail);
    return std::move(made).value();
  }

  // Rows of these names, read and failed; their ids.
  std::vector<std::int64_t> fail(OutboxStore& store, std::initializer_list<std::string> names) {
    write(names);
    std::vector<std::int64_t> ids;
    std::vector<FailedRow> failed;
    for (const OutboxRow& row : read_all(store)) {
      ids.push_back(row.id);
      failed.push_back(
          {row.id, row.event_id->text(), "invalid", "payload: " + std::string(row.aggregate_id)});
    }
    EXPECT_TRUE(store.fail(failed).ok());
    return ids;
  }

  static std::vector<std::int64_t> listed(OutboxOperator& outbox, const DeadLetterFilter& filter) {
    std::vector<std::int64_t> ids;
    const auto letters = outbox.list(filter);
    EXPECT_TRUE(letters.ok()) << (letters.ok() ? "" : letters.error().detail);
    if (letters.ok())
      for (const DeadLetter& letter : *letters) ids.push_back(letter.id);
    return ids;
  }
};

TEST_P(OutboxOperatorSuite, TheOverviewCountsWhatIsPendingAndWhatIsDead) {
  auto store = open_store();
  auto outbox = open_operator();
  const auto empty = outbox->overview();
  ASSERT_TRUE(empty.ok()) << empty.error().detail;
  EXPECT_EQ(empty->epoch, state_.epoch);
  EXPECT_EQ(empty->pending, 0U);
  EXPECT_EQ(empty->pending_seconds, std::nullopt);
  fail(*store, {"a", "b"});
  write({"c"});
  const auto pending = outbox->overview();
  ASSERT_TRUE(pending.ok());
  EXPECT_EQ(pending->pending, 3U) << "nothing was noted as delivered";
  ASSERT_TRUE(pending->pending_seconds);
  EXPECT_LT(*pending->pending_seconds, 60.0);
  EXPECT_EQ(pending->dead, 2U);
  const auto rest = read_all(*store);
  ASSERT_TRUE(store->note_delivered(rest.back().offset).ok());
  write({"d"});
  const auto delivered = outbox->overview();
  ASSERT_TRUE(delivered.ok());
  EXPECT_EQ(delivered->pending, 1U);
  EXPECT_EQ(delivered->delivered, rest.back().offset);
}

TEST_P(OutboxOperatorSuite, ListsDeadLettersByIdAndWhatTheFilterChooses) {
  auto store = open_store();
  backend_->make_writer()->write({"other", "{}", "43", "other.type"});
  const auto ids = fail(*store, {"a", "b"});
  ASSERT_EQ(ids.size(), 3U);
  auto outbox = open_operator();
  EXPECT_EQ(listed(*outbox, {}), ids);
  EXPECT_THAT(listed(*outbox, {.event_type = "other.type"}), testing::ElementsAre(ids[0]));
  EXPECT_THAT(listed(*outbox, {.tenant_id = "42"}), testing::ElementsAre(ids[1], ids[2]));
  EXPECT_THAT(listed(*outbox, {.limit = 1}), testing::ElementsAre(ids[0]));
  EXPECT_THAT(listed(*outbox, {.after_id = ids[1]}), testing::ElementsAre(ids[2]));
  EXPECT_THAT(listed(*outbox, {.before = "2001-01-01T00:00:00.000000Z"}), testing::IsEmpty());
  EXPECT_EQ(listed(*outbox, {.before = "2999-01-01T00:00:00.000000Z"}), ids);
}

TEST_P(OutboxOperatorSuite, ShowsADeadLetterWithItsRow) {
  auto store = open_store();
  const auto ids = fail(*store, {"a"});
  auto outbox = open_operator();
  const auto letter = outbox->show(ids[0]);
  ASSERT_TRUE(letter.ok()) << letter.error().detail;
  EXPECT_EQ(letter->state, DeadLetter::State::dead);
  EXPECT_EQ(letter->reason, "invalid");
  EXPECT_EQ(letter->error, "payload: a");
  EXPECT_EQ(letter->attempts, 1);
  EXPECT_EQ(letter->tenant_id, "42");
  EXPECT_EQ(letter->aggregate_type, "Task");
  EXPECT_EQ(letter->aggregate_id, "a");
  EXPECT_EQ(letter->event_type, "kitchen.task.claimed");
  EXPECT_THAT(letter->payload, testing::HasSubstr("\"n\""));
  EXPECT_TRUE(Uuid::parse(letter->event_id)) << letter->event_id;
  EXPECT_THAT(letter->first_at, testing::EndsWith("Z"));
  const auto missing = outbox->show(ids[0] + 1);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Errc::not_found);
}

TEST_P(OutboxOperatorSuite, ARedrivenLetterComesAsANewRowWithItsEventId) {
  auto store = open_store();
  const auto ids = fail(*store, {"a", "b"});
  auto outbox = open_operator();
  const auto row = outbox->redrive(ids[0]);
  ASSERT_TRUE(row.ok()) << row.error().detail;
  const auto rows = read_all(*store);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].id, *row);
  const auto letter = outbox->show(ids[0]);
  ASSERT_TRUE(letter.ok());
  EXPECT_EQ(letter->state, DeadLetter::State::redriven);
  EXPECT_EQ(letter->redriven_as, *row);
  EXPECT_EQ(letter->event_id, rows[0].event_id->text());
  EXPECT_EQ(rows[0].aggregate_id, "a");
  EXPECT_THAT(listed(*outbox, {}), testing::ElementsAre(ids[1]));
  EXPECT_EQ(listed(*outbox, {.all_states = true}), ids);
  for (const auto& again : {outbox->redrive(ids[0]), outbox->redrive(*row)}) {
    ASSERT_FALSE(again.ok());
    EXPECT_THAT(again.error().detail, testing::AnyOf(testing::HasSubstr("redriven already"),
                                                     testing::HasSubstr("no dead letter")));
  }
  EXPECT_THAT(read_all(*store), testing::IsEmpty());
}

TEST_P(OutboxOperatorSuite, ALetterThatFailsAgainNamesTheOneItWasMadeOf) {
  auto store = open_store();
  const auto ids = fail(*store, {"a"});
  auto outbox = open_operator();
  const auto row = outbox->redrive(ids[0]);
  ASSERT_TRUE(row.ok());
  const FailedRow failed[] = {{*row, read_all(*store).at(0).event_id->text(), "invalid", "again"}};
  ASSERT_TRUE(store->fail(failed).ok());
  const auto first = outbox->show(ids[0]);
  const auto second = outbox->show(*row);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->redrive_of, ids[0]);
  EXPECT_EQ(second->attempts, 2);
  EXPECT_EQ(second->first_at, first->first_at);
}

TEST_P(OutboxOperatorSuite, ADroppedLetterIsKeptAndNotRedriven) {
  auto store = open_store();
  const auto ids = fail(*store, {"a"});
  auto outbox = open_operator();
  ASSERT_TRUE(outbox->drop(ids[0]).ok());
  EXPECT_THAT(listed(*outbox, {}), testing::IsEmpty());
  EXPECT_EQ(outbox->show(ids[0])->state, DeadLetter::State::dropped);
  const auto refused = outbox->redrive(ids[0]);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_FALSE(outbox->drop(ids[0]).ok());
  EXPECT_EQ(outbox->drop(ids[0] + 1).error().code, Errc::not_found);
  EXPECT_EQ(backend_->status("a"), "failed invalid 1");
}

TEST_P(OutboxOperatorSuite, RebaseBeginsANewEpochAndLosesNoRow) {
  auto store = open_store();
  const Epoch before = state_.epoch;
  write({"a"});
  const auto rows = read_all(*store);
  ASSERT_TRUE(store->note_delivered(rows.back().offset).ok());
  write({"b"});
  store.reset();
  const auto epoch = open_operator()->rebase();
  ASSERT_TRUE(epoch.ok()) << epoch.error().detail;
  EXPECT_NE(*epoch, before);
  store = open_store();
  EXPECT_EQ(state_.epoch, *epoch);
  EXPECT_THAT(names(read_all(*store)), testing::Contains("b"));
  EXPECT_EQ(backend_->status("a"), "published - 0");
  EXPECT_EQ(backend_->status("b"), "pending - 0");
}

TEST_P(OutboxOperatorSuite, ADatabaseWithoutTheTablesIsRefusedAndLeftAlone) {
  open_store().reset();
  backend_->drop_and_remake();
  for (int round = 0; round < 2; ++round) {
    const auto refused = backend_->make_operator();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::not_found);
    EXPECT_THAT(refused.error().detail, testing::HasSubstr("not a Ringcast database"));
  }
}

class ArchiveCommandSuite : public OutboxOperatorSuite {
 protected:
  // Rows of 9 and 6 days ago and of today, delivered as far as they are named.
  std::unique_ptr<OutboxStore> prepare() {
    auto store = open_store();
    backend_->write_old("nine", 9);
    backend_->write_old("six", 6);
    write({"new"});
    rows_ = read_all(*store);
    return store;
  }
  ArchiveOrder order(int days_ago, ArchiveOrder::After after = ArchiveOrder::After::remove) {
    const WallTime day = SystemClock{}.wall() - std::chrono::days{days_ago};
    return {timestamp(day).substr(0, 10), (folder_.path() / "old.jsonl").string(), after};
  }
  ArchiveOutcome archive(const ArchiveOrder& order) {
    auto outcome = open_operator()->archive(order);
    EXPECT_TRUE(outcome.ok()) << (outcome.ok() ? "" : outcome.error().detail);
    return outcome.ok() ? *outcome : ArchiveOutcome{};
  }
  std::vector<std::string> lines() { return lines_of(folder_.path() / "old.jsonl"); }

  TestFolder folder_;
  std::vector<OutboxRow> rows_;
};

TEST_P(ArchiveCommandSuite, WritesOldRowsAndRemovesThem) {
  auto store = prepare();
  ASSERT_TRUE(store->note_delivered(rows_.back().offset).ok());
  const auto outcome = archive(order(7));
  EXPECT_EQ(outcome.rows, 1U);
  EXPECT_THAT(outcome.kept, testing::IsEmpty());
  EXPECT_EQ(backend_->rows_left(), "six new");
  EXPECT_EQ(archive(order(2)).rows, 1U);
  EXPECT_EQ(backend_->rows_left(), "new");
  EXPECT_THAT(lines(),
              testing::ElementsAre(testing::HasSubstr("\"nine\""), testing::HasSubstr("\"six\"")));
  EXPECT_THAT(lines()[0], testing::HasSubstr("\"id\":" + std::to_string(rows_[0].id) + ","));
  EXPECT_THAT(lines()[0], testing::HasSubstr(rows_[0].event_id->text()));
  EXPECT_THAT(lines()[0], testing::HasSubstr(R"("payload":"{)"));
  EXPECT_EQ(archive(order(2)).rows, 0U);
}

TEST_P(ArchiveCommandSuite, WithKeepItOnlyWrites) {
  prepare();
  EXPECT_EQ(archive(order(2, ArchiveOrder::After::keep)).rows, 2U) << "delivered or not";
  EXPECT_EQ(backend_->rows_left(), "nine six new");
  EXPECT_EQ(lines().size(), 2U);
}

TEST_P(ArchiveCommandSuite, WhatWasNotDeliveredStaysAndIsNamed) {
  prepare();
  const auto outcome = archive(order(2));
  EXPECT_EQ(outcome.rows, 0U);
  ASSERT_FALSE(outcome.kept.empty());
  EXPECT_THAT(outcome.kept[0], testing::HasSubstr("not delivered"));
  EXPECT_EQ(backend_->rows_left(), "nine six new");
}

TEST_P(ArchiveCommandSuite, AFileThatAnotherWritesIsRefusedAndNothingIsRemoved) {
  auto store = prepare();
  ASSERT_TRUE(store->note_delivered(rows_.back().offset).ok());
  const auto held = ArchiveFile::open(order(2).file);
  ASSERT_TRUE(held.ok());
  const auto refused = open_operator()->archive(order(2));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(backend_->rows_left(), "nine six new");
}

// A head and two rows that wait, of one aggregate; failed as the source fails them.
class OutboxHoldSuite : public OutboxOperatorSuite {
 protected:
  void hold(OutboxStore& store) {
    auto writer = backend_->make_writer();
    for (int i = 0; i < 3; ++i) writer->write({"a"});
    rows_ = read_all(store);
    std::vector<FailedRow> failed;
    for (const OutboxRow& row : rows_)
      failed.push_back({row.id, row.event_id->text(), failed.empty() ? "schema" : "held", "why",
                        row.offset, row.offset});
    ASSERT_TRUE(store.fail(failed).ok());
    ASSERT_TRUE(store.note_delivered(rows_.back().offset).ok());
  }
  std::int64_t id(std::size_t at) const { return rows_[at].id; }

  // id, blocks, open of what another daemon would begin with.
  std::vector<std::tuple<std::int64_t, bool, bool>> held() {
    auto other = open_store();
    std::vector<std::tuple<std::int64_t, bool, bool>> out;
    for (const HeldRow& row : state_.held) {
      EXPECT_EQ(row.aggregate, aggregate_name("42", "Task", "a"));
      out.emplace_back(row.id, row.blocks, row.open);
    }
    return out;
  }

  std::vector<OutboxRow> rows_;
};

TEST_P(OutboxHoldSuite, AnotherDaemonFindsWhatIsHeldInItsOrder) {
  auto store = open_store();
  EXPECT_THAT(state_.held, testing::IsEmpty());
  hold(*store);
  EXPECT_THAT(held(),
              testing::ElementsAre(std::tuple(id(0), true, true), std::tuple(id(1), false, true),
                                   std::tuple(id(2), false, true)));
  const auto trouble = store->trouble();
  ASSERT_TRUE(trouble.ok());
  EXPECT_EQ(trouble->dead, 1U);
  EXPECT_EQ(trouble->held, 2U);
  EXPECT_EQ(trouble->holds, 1U);
  const auto overview = open_operator()->overview();
  ASSERT_TRUE(overview.ok());
  EXPECT_EQ(overview->held, 2U);
  EXPECT_EQ(overview->holds, 1U);
}

TEST_P(OutboxHoldSuite, AnEndedHoldIsOpenOnlyForWhoReadsFromBeforeItsEnd) {
  auto store = open_store();
  hold(*store);
  auto outbox = open_operator();
  ASSERT_TRUE(outbox->redrive(id(0)).ok());
  const auto copy = read_all(*store);
  ASSERT_EQ(copy.size(), 1U);
  const EndedHold ended{id(0), copy[0].offset};
  ASSERT_TRUE(store->end_holds({&ended, 1}).ok());
  const EndedHold again{id(0), copy[0].offset + 1};
  ASSERT_TRUE(store->end_holds({&again, 1}).ok()) << "told twice, kept once";
  EXPECT_EQ(held()[0], std::tuple(id(0), true, true)) << "its copy was not noted as delivered";
  ASSERT_TRUE(store->note_delivered(copy[0].offset).ok());
  EXPECT_EQ(held()[0], std::tuple(id(0), true, false));
  EXPECT_EQ(store->trouble()->holds, 0U);
}

TEST_P(OutboxHoldSuite, WhatWaitsIsPutBackOnceInItsOrder) {
  auto store = open_store();
  hold(*store);
  auto other = open_store();
  const std::int64_t ids[] = {id(1), id(2)};
  ASSERT_TRUE(store->put_back(ids).ok());
  ASSERT_TRUE(other->put_back(ids).ok());
  const auto copies = read_all(*store);
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_EQ(copies[0].redrive_of, id(1));
  EXPECT_EQ(copies[1].redrive_of, id(2));
  EXPECT_EQ(copies[0].event_id, rows_[1].event_id);
  const auto letter = open_operator()->show(id(1));
  ASSERT_TRUE(letter.ok());
  EXPECT_EQ(letter->state, DeadLetter::State::redriven);
  EXPECT_EQ(letter->redriven_as, copies[0].id);
  const std::int64_t head[] = {id(0)};
  ASSERT_TRUE(store->put_back(head).ok());
  EXPECT_THAT(read_all(*store), testing::IsEmpty()) << "what is dead is the operator's";
}

TEST_P(OutboxHoldSuite, ARowThatOnlyWaitsIsListedAndDroppedButNotRedriven) {
  auto store = open_store();
  hold(*store);
  auto outbox = open_operator();
  EXPECT_THAT(listed(*outbox, {}), testing::ElementsAre(id(0), id(1), id(2)));
  EXPECT_THAT(listed(*outbox, {.held = false}), testing::ElementsAre(id(0)));
  const auto redriven = outbox->redrive(id(1));
  ASSERT_FALSE(redriven.ok());
  EXPECT_EQ(redriven.error().code, Errc::conflict);
  EXPECT_THAT(redriven.error().detail, testing::HasSubstr("waits behind"));
  ASSERT_TRUE(outbox->drop(id(1)).ok());
  ASSERT_TRUE(outbox->drop(id(0)).ok());
  const auto said = read_all(*store);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_TRUE(Holds::withdraws(said[0]));
  EXPECT_EQ(said[0].redrive_of, id(1));
  EXPECT_EQ(said[1].redrive_of, id(0));
  EXPECT_FALSE(outbox->drop(id(0)).ok());
}

}  // namespace ringcast
