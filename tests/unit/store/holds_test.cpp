#include "store/holds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

namespace ringcast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A log of rows whose offset is their id, and one daemon that goes along it.
class HoldsTest : public testing::Test {
 protected:
  struct Entry {
    std::int64_t id = 0;
    std::string aggregate;
    bool bad = false;
    std::int64_t redrive_of = 0;
    bool withdraws = false;
  };

  static OutboxRow row_of(const Entry& entry) {
    OutboxRow row;
    row.id = entry.id;
    row.offset = static_cast<Offset>(entry.id);
    row.tenant_id = "42";
    row.aggregate_type = "Task";
    row.aggregate_id = entry.aggregate;
    row.event_type = entry.withdraws ? kWithdrawnType : std::string_view(event_type_);
    row.redrive_of = entry.redrive_of;
    return row;
  }

  std::int64_t write(std::string aggregate, bool bad = false) {
    log_.push_back(
        {static_cast<std::int64_t>(log_.size()) + 1, std::move(aggregate), bad, 0, false});
    return log_.back().id;
  }
  std::int64_t copy(std::int64_t id, bool bad = false) {
    log_.push_back(
        {static_cast<std::int64_t>(log_.size()) + 1, log_[id - 1].aggregate, bad, id, false});
    return log_.back().id;
  }
  void withdraw(std::int64_t id) {
    log_.push_back({static_cast<std::int64_t>(log_.size()) + 1, "", false, id, true});
  }

  // What the daemon does with the next row: "good", or why it failed.
  std::string step(Holds& holds) {
    const Entry& entry = log_[at_++];
    const OutboxRow row = row_of(entry);
    if (Holds::withdraws(row)) {
      holds.withdraw(row);
      return "withdraws";
    }
    auto failed = holds.held_back(row);
    if (!failed) {
      if (entry.bad) failed = FailedRow{entry.id, "", "schema", "bad"};
      holds.judged(row, failed);
    }
    return failed ? failed->reason : "good";
  }
  std::vector<std::string> go() {
    std::vector<std::string> verdicts;
    while (at_ < log_.size()) verdicts.push_back(step(holds_));
    return verdicts;
  }
  // As the source does once it has written what failed.
  void put_back() {
    const auto ids = holds_.to_put_back(100);
    for (const std::int64_t id : ids) copy(id);
    holds_.put_back(ids.size());
  }

  static inline std::string event_type_ = "kitchen.task.claimed";
  std::vector<Entry> log_;
  std::size_t at_ = 0;
  Holds holds_{{"kitchen.task.claimed"}, 100};
};

TEST_F(HoldsTest, LaterRowsOfTheAggregateWaitAndOthersGoOn) {
  write("a", true);
  write("a");
  write("b");
  EXPECT_THAT(go(), ElementsAre("schema", "held", "good"));
  EXPECT_THAT(holds_.to_put_back(100), IsEmpty());
}

TEST_F(HoldsTest, AnEventTypeThatIsNotNamedHoldsUpNobody) {
  Holds none({"other.type"}, 100);
  Holds all({"*"}, 100);
  for (Holds* holds : {&none, &all}) {
    log_.clear();
    at_ = 0;
    write("a", true);
    write("a");
    step(*holds);
    EXPECT_EQ(step(*holds), holds == &all ? "held" : "good");
  }
}

TEST_F(HoldsTest, ARetriedRowIsFollowedByThoseThatWaitInTheirOrder) {
  const auto head = write("a", true);
  const auto second = write("a");
  const auto third = write("a");
  go();
  copy(head);
  EXPECT_THAT(go(), ElementsAre("good"));
  EXPECT_THAT(holds_.to_put_back(1), ElementsAre(second));
  EXPECT_THAT(holds_.to_put_back(100), ElementsAre(second, third));
  // Written before the copies have come: it waits behind them, and is copied in turn.
  const auto late = write("a");
  put_back();
  EXPECT_FALSE(holds_.wants_put_back());
  EXPECT_THAT(go(), ElementsAre("held", "good", "good"));
  EXPECT_THAT(holds_.to_put_back(100), ElementsAre(late));
  put_back();
  write("a");
  EXPECT_THAT(go(), ElementsAre("good", "good"));
  EXPECT_THAT(holds_.to_put_back(100), IsEmpty());
}

TEST_F(HoldsTest, ARetriedRowThatFailsAgainGoesOnHolding) {
  const auto head = write("a", true);
  const auto second = write("a");
  go();
  const auto again = copy(head, true);
  EXPECT_THAT(go(), ElementsAre("schema"));
  EXPECT_THAT(holds_.to_put_back(100), IsEmpty());
  copy(again);
  EXPECT_THAT(go(), ElementsAre("good"));
  EXPECT_THAT(holds_.to_put_back(100), ElementsAre(second));
}

TEST_F(HoldsTest, AWaitingRowThatFailsInItsTurnHoldsThoseBehindIt) {
  const auto head = write("a", true);
  const auto second = write("a");
  const auto third = write("a");
  go();
  copy(head);
  go();
  holds_.put_back(2);
  const auto bad = copy(second, true);
  const auto behind = copy(third);
  EXPECT_THAT(go(), ElementsAre("schema", "held"));
  copy(bad);
  go();
  EXPECT_THAT(holds_.to_put_back(100), ElementsAre(behind));
}

TEST_F(HoldsTest, ACopyThatComesOutOfItsTurnWaitsInThePlaceOfItsRow) {
  const auto head = write("a", true);
  const auto second = write("a");
  const auto third = write("a");
  go();
  const auto early = copy(third);
  EXPECT_THAT(go(), ElementsAre("held"));
  copy(head);
  go();
  EXPECT_THAT(holds_.to_put_back(100), ElementsAre(second, early));
}

TEST_F(HoldsTest, AWithdrawnRowHoldsNoLonger) {
  const auto head = write("a", true);
  const auto second = write("a");
  const auto third = write("a");
  go();
  withdraw(second);
  withdraw(head);
  withdraw(999);
  EXPECT_THAT(go(), ElementsAre("withdraws", "withdraws", "withdraws"));
  EXPECT_THAT(holds_.to_put_back(100), ElementsAre(third));
  EXPECT_THAT(holds_.ended(), ElementsAre(EndedHold{second, 4}, EndedHold{head, 5}));
}

TEST_F(HoldsTest, AWithdrawnRowBehindWhichNobodyWaitsEndsTheHold) {
  const auto head = write("a", true);
  go();
  withdraw(head);
  write("a");
  EXPECT_THAT(go(), ElementsAre("withdraws", "good"));
  EXPECT_FALSE(holds_.wants_put_back() && !holds_.to_put_back(1).empty());
}

TEST_F(HoldsTest, BeyondTheLimitRowsFailForThemselvesAndHoldUpNobody) {
  holds_ = Holds({"*"}, 2);
  write("a", true);
  write("a");
  write("a");
  write("b", true);
  write("b");
  EXPECT_THAT(go(), ElementsAre("schema", "held", "hold_full", "schema", "good"));
}

TEST_F(HoldsTest, APlainRowHasNoAggregateToHoldUp) {
  OutboxRow row;
  row.id = 1;
  row.offset = 1;
  row.kind = OutboxRow::Kind::plain;
  row.event_type = "kitchen.task.claimed";
  std::optional<FailedRow> failed = FailedRow{1, "", "invalid", "bad"};
  holds_.judged(row, failed);
  EXPECT_EQ(failed->hold_at, 0U);
}

// What the store would keep of the first `offset` positions of the log.
struct Kept {
  std::map<std::int64_t, HeldRow> rows;
  std::map<std::int64_t, Offset> position, released;
};

TEST_F(HoldsTest, AfterAStartAnywhereTheVerdictsAreThoseOfTheDaemonThatNeverStopped) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    log_.clear();
    at_ = 0;
    holds_ = Holds({"*"}, 20);
    std::vector<std::string> verdicts;
    std::set<std::int64_t> retried;
    Kept kept;
    for (int i = 0; i < 120; ++i) {
      const auto choice = random() % 10;
      if (choice < 6)
        write(std::string(1, static_cast<char>('a' + random() % 3)), random() % 6 == 0);
      if (choice == 6) put_back();
      // An operator retries or drops rows that failed by their own fault.
      for (const auto& [id, row] : kept.rows)
        if (row.blocks && choice > 6 && retried.insert(id).second) {
          if (choice == 9)
            withdraw(id);
          else
            copy(id, random() % 3 == 0);
          break;
        }
      while (at_ < log_.size()) {
        const Entry entry = log_[at_];
        const OutboxRow row = row_of(entry);
        std::optional<FailedRow> failed;
        const bool withdraws = Holds::withdraws(row);
        if (withdraws) {
          holds_.withdraw(row);
        } else if (failed = holds_.held_back(row); !failed) {
          if (entry.bad) failed = FailedRow{entry.id, "", "schema", "bad"};
          holds_.judged(row, failed);
        }
        if (failed && (failed->hold_at != 0 || failed->reason == "hold_full")) {
          kept.rows[row.id] = {row.id, failed->hold_at, failed->reason != "held", false,
                               aggregate_of(row)};
          kept.position[row.id] = row.offset;
        }
        for (const EndedHold& ended : holds_.ended()) kept.released[ended.id] = ended.at;
        holds_.ended_is_written();
        verdicts.push_back(withdraws ? "withdraws" : failed ? failed->reason : "good");
        ++at_;
      }
    }
    const Offset from = random() % log_.size();
    std::vector<HeldRow> rows;
    for (const auto& [id, row] : kept.rows) {
      if (kept.position[id] > from) continue;
      const auto released = kept.released.find(id);
      rows.push_back(row);
      rows.back().open =
          row.hold_at != 0 && (released == kept.released.end() || released->second > from);
    }
    std::sort(rows.begin(), rows.end(), [](const HeldRow& a, const HeldRow& b) {
      return std::pair(a.hold_at, a.id) < std::pair(b.hold_at, b.id);
    });
    Holds other({"*"}, 20);
    other.begin(from, rows);
    at_ = 0;
    while (at_ < log_.size()) {
      const std::size_t here = at_;
      const std::string verdict = step(other);
      // What is replayed has its verdict already; only whether it is delivered counts.
      ASSERT_EQ(verdict == "good", verdicts[here] == "good")
          << "seed " << seed << ", from " << from << ", row " << here + 1 << ": " << verdict;
      if (here >= from) {
        ASSERT_EQ(verdict, verdicts[here]) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace ringcast
