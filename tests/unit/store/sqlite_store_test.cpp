#include "store/sqlite_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "message/envelope.hpp"
#include "message/timestamp.hpp"
#include "unit/store/outbox_operator_suite.hpp"
#include "unit/store/source_fixture.hpp"
#include "unit/store/sqlite_backend.hpp"

namespace ringcast {

INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxStoreSuite,
                         testing::Values(BackendFactory([]() -> std::unique_ptr<StoreBackend> {
                           return std::make_unique<SqliteBackend>();
                         })));

INSTANTIATE_TEST_SUITE_P(Sqlite, ArchiveCommandSuite,
                         testing::Values(BackendFactory([]() -> std::unique_ptr<StoreBackend> {
                           return std::make_unique<SqliteBackend>();
                         })));

INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxOperatorSuite,
                         testing::Values(BackendFactory([]() -> std::unique_ptr<StoreBackend> {
                           return std::make_unique<SqliteBackend>();
                         })));

INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxHoldSuite,
                         testing::Values(BackendFactory([]() -> std::unique_ptr<StoreBackend> {
                           return std::make_unique<SqliteBackend>();
                         })));

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() { with_default_namespaces(config_); }

  Result<StoreState> open() {
    store_.reset();
    store_ = backend_.make_store(config_);
    auto state = store_->open(kLongHistory, kLargeReplay);
    if (state) state_ = *state;
    return state;
  }

  Database database() { return Database(backend_.path()); }

  void write(std::initializer_list<std::string> names) {
    auto writer = backend_.make_writer();
    for (const std::string& name : names) writer->write({name});
  }

  std::vector<std::string> read(OutboxStore::Read read = OutboxStore::Read::record) {
    std::vector<std::string> names;
    for (;;) {
      const auto window = store_->next(read, 100);
      EXPECT_TRUE(window.ok()) << (window.ok() ? "" : window.error().detail);
      if (!window || window.value().rows.empty()) return names;
      for (const OutboxRow& row : window.value().rows) names.emplace_back(row.aggregate_id);
    }
  }

  PlainRow plain(std::string data, std::string key) {
    PlainRow row;
    row.event_id = Uuid::random();
    row.room = "tenant:42";
    row.event_type = "note";
    row.data = std::make_shared<const std::string>(std::move(data));
    row.idempotency_key = std::move(key);
    return row;
  }

  Result<Appended> append(const PlainRow& row) {
    auto outcomes = store_->append(std::span(&row, 1));
    EXPECT_TRUE(outcomes.ok());
    return outcomes.value().at(0);
  }

  Config config_;
  SqliteBackend backend_;
  std::unique_ptr<OutboxStore> store_;
  StoreState state_;
};

constexpr char kInsert[] =
    "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload)"
    " values('42', 'Task', 'x', 'kitchen.task.claimed', '{}')";

TEST(SqlitePath, IsThePathOfAFile) {
  for (const char* path : {"rt.db", "/var/lib/rt.db", "./a/b.db", "with space.db"})
    EXPECT_EQ(sqlite_path(std::string("sqlite:") + path).value(), path);
  for (const char* url : {"", "sqlite", "sqlite:", "sqlite::memory:", "sqlite:/var/lib/",
                          "sqlite:file:x?mode=memory", "postgresql://x", "SQLITE:x"})
    EXPECT_FALSE(sqlite_path(url).ok()) << url;
}

// ---- writing ------------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, FiveColumnsAreEnough) {
  ASSERT_TRUE(open().ok());
  Database application(backend_.path());
  ASSERT_TRUE(application.execute(kInsert)) << application.error();
  ASSERT_TRUE(application.execute(kInsert)) << application.error();
  const auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  ASSERT_EQ(window.value().rows.size(), 2U);
  for (const OutboxRow& row : window.value().rows) {
    ASSERT_TRUE(row.event_id) << row.event_id_text;
    const std::string id = row.event_id->text();
    EXPECT_EQ(id[14], '4');  // version and variant of RFC 9562 section 5.4
    EXPECT_THAT(std::string("89ab"), testing::Contains(id[19]));
    ASSERT_TRUE(row.occurred_at);
    EXPECT_LT(std::chrono::abs(*row.occurred_at - SystemClock().wall()), std::chrono::minutes{5});
    EXPECT_TRUE(std::holds_alternative<RowEvents>(events_of(row, {})));
  }
  EXPECT_NE(window.value().rows[0].event_id, window.value().rows[1].event_id);
}

TEST_F(SqliteStoreTest, OffsetIsTheId) {
  ASSERT_TRUE(open().ok());
  write({"a", "b"});
  const auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  for (const OutboxRow& row : window.value().rows)
    EXPECT_EQ(row.offset, static_cast<Offset>(row.id));
}

TEST_F(SqliteStoreTest, AnIdThatIsNotAboveTheLastIsRefused) {
  ASSERT_TRUE(open().ok());
  write({"1", "2", "3"});
  auto application = std::make_unique<Database>(backend_.path());
  const auto insert = [&](const std::string& id) {
    return application->execute(
        "insert into ringcast_outbox(id, tenant_id, aggregate_type, aggregate_id, event_type,"
        " payload) values(" +
        id + ", '42', 'Task', 'x', 'a.b', '{}')");
  };
  ASSERT_TRUE(application->execute("delete from ringcast_outbox where id = 2"));
  for (const char* id : {"-1", "0", "1", "2", "3", "9007199254740992"})
    EXPECT_FALSE(insert(id)) << id;
  EXPECT_FALSE(application->execute("update ringcast_outbox set id = 9 where id = 1"));
  EXPECT_FALSE(
      application->execute("insert or replace into ringcast_outbox(id, tenant_id,"
                           " aggregate_type, aggregate_id, event_type, payload)"
                           " values(1, '42', 'Task', 'x', 'a.b', '{}')"));
  EXPECT_TRUE(insert("10")) << application->error();
  EXPECT_TRUE(application->execute(kInsert));
  EXPECT_EQ(application->text("select max(id) from ringcast_outbox"), "11");
}

TEST_F(SqliteStoreTest, LivesInTheApplicationsOwnFile) {
  Database application(backend_.path());
  ASSERT_TRUE(application.execute("create table task(id); pragma user_version = 77"));
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(application.text("pragma user_version"), "77");
  ASSERT_TRUE(application.execute("begin; insert into task values(1);"));
  ASSERT_TRUE(application.execute(kInsert)) << application.error();
  EXPECT_THAT(read(), IsEmpty());
  ASSERT_TRUE(application.execute("commit"));
  EXPECT_THAT(read(), ElementsAre("x"));
}

TEST_F(SqliteStoreTest, StoppingLeavesTheTablesForWriters) {
  ASSERT_TRUE(open().ok());
  store_.reset();
  Database application(backend_.path());
  EXPECT_TRUE(application.execute(kInsert)) << application.error();
  ASSERT_TRUE(open().ok());
  EXPECT_THAT(read(), ElementsAre("x"));
}

// ---- reading ------------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, ReadingWritesNothing) {
  ASSERT_TRUE(open().ok());
  write({"a", "b"});
  Database application(backend_.path());
  const std::string before = application.text("pragma data_version");
  EXPECT_EQ(read().size(), 2U);
  ASSERT_TRUE(store_->is_recorded(1).ok());
  ASSERT_TRUE(store_->backlog().ok());
  EXPECT_EQ(application.text("pragma data_version"), before);
}

TEST_F(SqliteStoreTest, AKnownFailedRowIsNotWrittenAgain) {
  ASSERT_TRUE(open().ok());
  const FailedRow failed[] = {{1, "", "invalid", "payload"}};
  ASSERT_TRUE(store_->fail(failed).ok());
  Database application(backend_.path());
  const std::string before = application.text("pragma data_version");
  ASSERT_TRUE(store_->fail(failed).ok());
  EXPECT_EQ(application.text("pragma data_version"), before);
}

TEST_F(SqliteStoreTest, AWindowEndsBeforeTheRowThatIsOneOctetTooMuch) {
  const std::string payload = "{\"t\":\"" + std::string(92, 'x') + "\"}";  // 100 octets
  for (const auto& [bytes_max, rows] : {std::pair{299U, 2U}, std::pair{300U, 3U}}) {
    config_.outbox.window_bytes_max = bytes_max;
    ASSERT_TRUE(open().ok());
    read();
    for (int i = 0; i < 4; ++i) backend_.make_writer()->write({"r", payload});
    const auto window = store_->next(OutboxStore::Read::record, 100);
    ASSERT_TRUE(window.ok());
    EXPECT_EQ(window.value().rows.size(), rows);
    EXPECT_TRUE(window.value().more);
  }
}

TEST_F(SqliteStoreTest, APayloadIsFetchedUpToTheLimitAndNotAnOctetAbove) {
  config_.outbox.envelope_bytes_max = 100;
  ASSERT_TRUE(open().ok());
  auto writer = backend_.make_writer();
  writer->write({"fits", "{\"t\":\"" + std::string(92, 'x') + "\"}"});
  writer->write({"above", "{\"t\":\"" + std::string(93, 'x') + "\"}"});
  writer->write({"octets", "{\"t\":\"" + std::string(91, 'x') + "\xc3\xa4\"}"});
  const auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  EXPECT_EQ(window.value().rows[0].payload.size(), 100U);
  EXPECT_EQ(window.value().rows[1].payload, "");
  EXPECT_EQ(window.value().rows[1].payload_bytes, 101U);
  EXPECT_EQ(window.value().rows[2].payload_bytes, 101U);
}

TEST_F(SqliteStoreTest, ReplayTakesRowsUpToItsOctetsAndNotOneMore) {
  ASSERT_TRUE(open().ok());
  const std::string payload = "{\"t\":\"" + std::string(92, 'x') + "\"}";
  auto writer = backend_.make_writer();
  for (int i = 1; i <= 5; ++i) writer->write({std::to_string(i), payload});
  for (const auto& [bytes_max, floor] : {std::pair{299U, 3U}, std::pair{300U, 2U}}) {
    store_ = backend_.make_store(config_);
    const auto state = store_->open(kLongHistory, bytes_max);
    ASSERT_TRUE(state.ok());
    EXPECT_EQ(state.value().floor, floor);
    EXPECT_EQ(read().size(), 5U - floor);
  }
}

TEST_F(SqliteStoreTest, DeletedRowsAtTheEndDoNotKeepTheReplayGoing) {
  ASSERT_TRUE(open().ok());
  write({"a", "b", "c"});
  ASSERT_TRUE(database().execute("delete from ringcast_outbox where id >= 2"));
  ASSERT_TRUE(open().ok());
  EXPECT_TRUE(store_->replaying());
  EXPECT_THAT(read(), ElementsAre("a"));
  EXPECT_FALSE(store_->replaying());
}

TEST_F(SqliteStoreTest, TheTimeIsUtcHoweverItWasWritten) {
  ASSERT_TRUE(open().ok());
  for (const std::string text :
       {"2026-01-02T04:04:05+01:00", "2026-01-02 03:04:05", "2026-01-02t03:04:05z", "yesterday"})
    ASSERT_TRUE(database().execute(
        "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload,"
        " occurred_at) values('42', 'T', '1', 'a.b', '{}', '" +
        text + "')"));
  const auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  ASSERT_EQ(window.value().rows.size(), 4U);
  const auto expected = parse_timestamp("2026-01-02T03:04:05Z");
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(window.value().rows[i].occurred_at, expected) << i;
  EXPECT_EQ(window.value().rows[3].occurred_at, std::nullopt);
}

TEST_F(SqliteStoreTest, TextWithoutABoundIsNotReadWithoutABound) {
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(
      database().execute("insert into ringcast_outbox(kind, room, tenant_id, event_type, payload)"
                         " values(1, 'tenant:42', hex(zeroblob(524288)), 'note', '{}')"))
      << database().error();
  const auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  EXPECT_LE(window.value().rows.at(0).tenant_id.size(), 1'024U);
}

// ---- on request ---------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, OnRequestRowsArePendingUntilTheyAreRecorded) {
  config_.outbox.continuous = false;
  ASSERT_TRUE(open().ok());
  write({"a", "b", "c"});
  const auto status = [&](const char* name) {
    return database().text(
        std::string("select status from ringcast_outbox_status where aggregate_id = '") + name +
        "'");
  };
  EXPECT_THAT(read(OutboxStore::Read::recorded_only), IsEmpty());
  EXPECT_EQ(status("a"), "pending");
  EXPECT_FALSE(store_->is_recorded(1).value());
  const auto window = store_->next(OutboxStore::Read::record, 2);
  ASSERT_TRUE(window.ok());
  EXPECT_EQ(window.value().rows.size(), 2U);
  EXPECT_TRUE(window.value().ours);
  EXPECT_TRUE(store_->is_recorded(2).value());
  EXPECT_FALSE(store_->is_recorded(3).value());
  EXPECT_EQ(store_->backlog().value().rows, 1U);
  const FailedRow failed[] = {{2, "", "invalid", "payload: is no object"}};
  ASSERT_TRUE(store_->fail(failed).ok());
  ASSERT_TRUE(store_->note_delivered(2).ok());
  EXPECT_EQ(status("a"), "published");
  EXPECT_EQ(status("b"), "failed");
  EXPECT_EQ(status("c"), "pending");
  ASSERT_TRUE(open().ok());  // it holds across restarts
  EXPECT_THAT(read(OutboxStore::Read::recorded_only), ElementsAre("a", "b"));
}

TEST_F(SqliteStoreTest, OnRequestWhatAnotherRecordedIsNotOurs) {
  config_.outbox.continuous = false;
  ASSERT_TRUE(open().ok());
  auto other = backend_.make_store(config_);
  ASSERT_TRUE(other->open(kLongHistory, kLargeReplay).ok());
  write({"a", "b"});
  ASSERT_TRUE(other->next(OutboxStore::Read::record, 1).ok());
  const auto theirs = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(theirs.ok());
  EXPECT_EQ(theirs.value().rows.size(), 1U);
  EXPECT_FALSE(theirs.value().ours);
  const auto ours = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(ours.ok());
  EXPECT_EQ(ours.value().rows.size(), 1U);
  EXPECT_TRUE(ours.value().ours);
}

// The cursor moves with the window that is returned, and with no other.
TEST_F(SqliteStoreTest, AReadThatFailsDoesNotMoveTheCursor) {
  config_.outbox.continuous = false;
  ASSERT_TRUE(open().ok());
  write({"a"});
  Database blocker(backend_.path());
  ASSERT_TRUE(blocker.execute("begin immediate"));
  const auto busy = store_->next(OutboxStore::Read::record, 10);
  ASSERT_FALSE(busy.ok());
  EXPECT_EQ(busy.error().code, Errc::rate_limited);
  PlainRow row = plain("1", "");
  EXPECT_EQ(append(row).error().code, Errc::unavailable);
  ASSERT_TRUE(blocker.execute("rollback"));
  EXPECT_THAT(read(), ElementsAre("a"));
}

// Applications that write without a break must not hold up what is to be delivered.
TEST_F(SqliteStoreTest, ANoteDoesNotWaitForAWriter) {
  ASSERT_TRUE(open().ok());
  write({"a"});
  EXPECT_THAT(read(), ElementsAre("a"));
  Database blocker(backend_.path());
  ASSERT_TRUE(blocker.execute("begin immediate"));
  std::promise<void> returned;
  std::thread writer([&blocker, done = returned.get_future()] {
    done.wait_for(std::chrono::milliseconds(SqliteStore::kBusyTimeoutMs / 2));
    blocker.execute("rollback");
  });
  const auto noted = store_->note_delivered(1);
  returned.set_value();
  writer.join();
  ASSERT_FALSE(noted.ok());
  EXPECT_EQ(noted.error().code, Errc::rate_limited);
  ASSERT_TRUE(store_->note_delivered(1).ok());
  EXPECT_EQ(database().text("select status from ringcast_outbox_status"), "published");
}

// ---- keys ---------------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, AKeyIsForgottenAfterItsWindowAndNotBefore) {
  config_.namespaces.front().dedupe_window_s = 300;
  ASSERT_TRUE(open().ok());
  const auto first = append(plain("1", "key"));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(database().execute("update ringcast_publish_key set at_ms = at_ms - 290000"));
  EXPECT_EQ(append(plain("1", "key")).value().id, first.value().id);
  ASSERT_TRUE(database().execute("update ringcast_publish_key set at_ms = at_ms - 10001"));
  EXPECT_NE(append(plain("1", "key")).value().id, first.value().id);
}

TEST_F(SqliteStoreTest, BeyondTheMostKeysOfARoomTheOldestIsForgotten) {
  config_.namespaces.front().dedupe_max = 3;
  ASSERT_TRUE(open().ok());
  std::vector<Uuid> ids;
  for (const char* key : {"1", "2", "3", "4"}) ids.push_back(append(plain("1", key)).value().id);
  EXPECT_EQ(database().text("select count(*) from ringcast_publish_key"), "3");
  EXPECT_EQ(append(plain("1", "2")).value().id, ids[1]);
  EXPECT_EQ(append(plain("1", "4")).value().id, ids[3]);
  EXPECT_NE(append(plain("1", "1")).value().id, ids[0]);
}

TEST_F(SqliteStoreTest, KeysOfRoomsThatNobodyUsesAnyMoreAreForgottenToo) {
  ASSERT_TRUE(open().ok());
  PlainRow elsewhere = plain("1", "key");
  elsewhere.room = "tenant:gone";
  ASSERT_TRUE(append(elsewhere).ok());
  ASSERT_TRUE(database().execute("update ringcast_publish_key set at_ms = at_ms - 300001"));
  ASSERT_TRUE(append(plain("1", "key")).ok());
  EXPECT_EQ(database().text("select group_concat(room) from ringcast_publish_key"), "tenant:42");
}

TEST_F(SqliteStoreTest, AnIdAndAnIdempotencyKeyOfTheSameTextAreTwoKeys) {
  ASSERT_TRUE(open().ok());
  PlainRow by_id = plain("1", "");
  by_id.id_given = true;
  ASSERT_TRUE(append(by_id).ok());
  EXPECT_TRUE(append(plain("2", by_id.event_id.text())).ok());
}

TEST_F(SqliteStoreTest, AnEnvelopeRowIsAppendedAsOne) {
  ASSERT_TRUE(open().ok());
  PlainRow row = plain("{}", "key");
  row.room.clear();
  row.event_type = "kitchen.task.claimed";
  row.envelope = EnvelopeKey{"42", "Task", "t-1"};
  ASSERT_TRUE(append(row).ok());
  ASSERT_TRUE(append(row).ok());
  const auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  ASSERT_EQ(window.value().rows.size(), 1U);
  EXPECT_EQ(window.value().rows[0].kind, OutboxRow::Kind::envelope);
  EXPECT_EQ(window.value().rows[0].room, std::nullopt);
  EXPECT_TRUE(std::holds_alternative<RowEvents>(events_of(window.value().rows[0], {})));
}

TEST_F(SqliteStoreTest, ARowThatTheTableRefusesDoesNotStopItsNeighbours) {
  ASSERT_TRUE(open().ok());
  PlainRow rows[] = {plain("1", ""), plain("2", ""), plain("3", "")};
  rows[1].event_type = std::string(129, 'e');
  const auto outcomes = store_->append(rows);
  ASSERT_TRUE(outcomes.ok());
  EXPECT_TRUE(outcomes.value()[0].ok());
  EXPECT_EQ(outcomes.value()[1].error().code, Errc::validation);
  EXPECT_TRUE(outcomes.value()[2].ok());
  EXPECT_EQ(read().size(), 2U);
}

// ---- epochs -------------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, AnOrderlyStopKeepsTheEpochAcrossAReboot) {
  const Epoch epoch = open().value().epoch;
  store_.reset();
  backend_.boot_id = "boot-2";
  EXPECT_EQ(open().value().epoch, epoch);
}

TEST_F(SqliteStoreTest, ACrashWithoutARebootKeepsTheEpoch) {
  const Epoch epoch = open().value().epoch;
  auto crashed = std::move(store_);
  EXPECT_EQ(open().value().epoch, epoch);
}

TEST_F(SqliteStoreTest, ARebootWithoutAnOrderlyStopMakesANewEpoch) {
  const Epoch epoch = open().value().epoch;
  auto crashed = std::move(store_);
  backend_.boot_id = "boot-2";
  const Epoch renewed = open().value().epoch;
  EXPECT_NE(renewed, epoch);
  EXPECT_EQ(open().value().epoch, renewed);
}

TEST_F(SqliteStoreTest, AFileThatTookTheOthersPlaceWhileStoppedMakesANewEpoch) {
  const Epoch epoch = open().value().epoch;
  store_.reset();
  std::filesystem::copy_file(backend_.path(), backend_.folder() + "/backup.db");
  std::filesystem::rename(backend_.folder() + "/backup.db", backend_.path());
  EXPECT_NE(open().value().epoch, epoch);
}

TEST_F(SqliteStoreTest, AFileThatTakesTheOthersPlaceIsNoticedInSleep) {
  ASSERT_TRUE(open().ok());
  write({"a"});
  EXPECT_EQ(read().size(), 1U);
  const SystemClock clock;
  backend_.drop_and_remake();
  bool woken = false;
  const auto end = clock.now() + std::chrono::seconds{60};
  while (!woken && clock.now() < end) {
    std::vector<pollfd> fds;
    const Instant until = store_->arm(fds, clock.now());
    const auto wait = std::chrono::duration_cast<Millis>(until - clock.now()).count();
    ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(wait, 0)));
    woken = store_->woke(fds, clock.now());
  }
  EXPECT_TRUE(woken);
  EXPECT_EQ(store_->next(OutboxStore::Read::record, 10).error().code, Errc::unavailable);
}

// The inode stays and the ids begin again: what a restore into the file does.
TEST_F(SqliteStoreTest, IdsThatGoBackMakeANewEpochForAllDaemons) {
  ASSERT_TRUE(open().ok());
  auto other = backend_.make_store(config_);
  const Epoch before = other->open(kLongHistory, kLargeReplay).value().epoch;
  write({"a", "b", "c"});
  EXPECT_EQ(read().size(), 3U);
  ASSERT_TRUE(other->next(OutboxStore::Read::record, 10).ok());
  const FailedRow failed[] = {{1, "", "invalid", "x"}, {3, "", "invalid", "x"}};
  ASSERT_TRUE(store_->fail(failed).ok());
  ASSERT_TRUE(
      database().execute("delete from ringcast_outbox where id > 1;"
                         "update sqlite_sequence set seq = 1"));
  EXPECT_EQ(store_->next(OutboxStore::Read::record, 10).error().code, Errc::unavailable);
  const auto renewed = store_->reopen();
  ASSERT_TRUE(renewed.ok()) << renewed.error().detail;
  EXPECT_NE(renewed.value().epoch, before);
  EXPECT_THAT(read(), ElementsAre("a"));  // the replay of the new epoch
  EXPECT_EQ(backend_.failed_rows(), 1U);  // the row that is there
  EXPECT_EQ(other->next(OutboxStore::Read::record, 10).error().code, Errc::unavailable);
  EXPECT_EQ(other->reopen().value().epoch, renewed.value().epoch);
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, AFolderThatIsNotThereIsNamed) {
  SqliteStore store(config_, backend_.folder() + "/nowhere/app.db", "boot");
  const auto refused = store.open(kLongHistory, kLargeReplay);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::validation);
  EXPECT_THAT(refused.error().detail, HasSubstr("nowhere does not exist"));
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsRefusedAndNotTouched) {
  const std::string text =
      "this is a letter and no database, long enough to be read as a header; " +
      std::string(200, '.');
  std::ofstream(backend_.path()) << text;
  const auto refused = open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::validation);
  EXPECT_THAT(refused.error().detail, HasSubstr("is not an SQLite database"));
  EXPECT_THAT(refused.error().detail, HasSubstr(backend_.path()));
  std::ifstream file(backend_.path());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

TEST_F(SqliteStoreTest, AFileThatMayNotBeWrittenIsRefused) {
  ASSERT_TRUE(database().execute("create table t(x)"));
  ASSERT_EQ(::chmod(backend_.path().c_str(), 0444), 0);
  ASSERT_EQ(::chmod(backend_.folder().c_str(), 0555), 0);
  // Root may write whatever the mode says.
  constexpr uid_t kNobody = 65'534;
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const auto refused = open();
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  ASSERT_EQ(::chmod(backend_.folder().c_str(), 0755), 0);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::validation);
  EXPECT_THAT(refused.error().detail, HasSubstr("read-only"));
}

TEST_F(SqliteStoreTest, ANewerSchemaIsRefused) {
  ASSERT_TRUE(open().ok());
  store_.reset();
  ASSERT_TRUE(
      database().execute("update ringcast_meta set value = 99 where key = 'schema_version'"));
  const auto refused = open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::validation);
  EXPECT_THAT(refused.error().detail, HasSubstr("has schema 99"));
}

TEST_F(SqliteStoreTest, AnEarlierSchemaIsBroughtUpAndKeepsItsRows) {
  {
    auto connection = SqliteConnection::open(backend_.path(), 1'000);
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE(migrate_sqlite(*connection, StoreConfig::Migrate::apply, "", 1).ok());
  }
  const std::string broken(256, 'a');
  write({"good", broken});
  ASSERT_TRUE(open().ok());
  EXPECT_THAT(read(), ElementsAre("good", broken));
  const std::string insert =
      "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload)"
      " values('42', 'Task', '" +
      broken + "', 'a.b', '{}')";
  Database application(backend_.path());
  EXPECT_FALSE(application.execute(insert));
  EXPECT_THAT(application.error(), HasSubstr("aggregate_id has more than 255 octets"));
}

TEST_F(SqliteStoreTest, CheckingMakesNoTables) {
  config_.store.migrate = StoreConfig::Migrate::check;
  const auto refused = open();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().detail, HasSubstr("has schema 0, expected"));
  EXPECT_EQ(database().text("select count(*) from sqlite_schema"), "0");
  config_.store.migrate = StoreConfig::Migrate::apply;
  ASSERT_TRUE(open().ok());
  config_.store.migrate = StoreConfig::Migrate::check;
  EXPECT_TRUE(open().ok());
}

TEST_F(SqliteStoreTest, AnIdleStoreSleepsForItsPollInterval) {
  ASSERT_TRUE(open().ok());
  EXPECT_THAT(read(), IsEmpty());
  const SystemClock clock;
  // The burst that the opening itself has started.
  const Instant later = clock.now() + std::chrono::seconds{1};
  std::vector<pollfd> fds;
  store_->arm(fds, clock.now());
  ::poll(fds.data(), fds.size(), 0);
  store_->woke(fds, clock.now());
  fds.clear();
  store_->woke(fds, later);
  EXPECT_EQ(store_->arm(fds, later) - later, Millis{SqliteStore::kPollIntervalMs});
}

// ---- the whole way from a commit to a shard's mailbox -------------------------------------------

class SqliteSourceTest : public SourceFixture {
 protected:
  SqliteBackend backend_;
};

TEST_F(SqliteSourceTest, ACommittedRowIsPublishedAndAPublishComesBackAsAnEvent) {
  config_.outbox.poll_interval_ms = 600'000;
  start_on(backend_.make_store(config_), 2, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  Database application(backend_.path());
  ASSERT_TRUE(application.execute(kInsert)) << application.error();
  ASSERT_TRUE(wait_for([&] { return !offsets_in("tenant:42:kitchen").empty(); }));
  EXPECT_THAT(offsets_in("tenant:42"), ElementsAre(1));
  ask(append_mail(1));
  ASSERT_TRUE(wait_for([&] { return answer_to(1) && offsets_in("tenant:42").size() == 2; }));
  const Appended appended = answer_to(1)->outcome.value();
  EXPECT_EQ(appended.offset, 2U);
  EXPECT_EQ(appended.epoch, status().epoch);
}

TEST_F(SqliteSourceTest, ManyWritersUnderBackPressureLoseNothing) {
  start_on(backend_.make_store(config_), 2, 5);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  constexpr Offset kRows = 300;
  std::thread writer([&] {
    auto application = backend_.make_writer();
    for (Offset i = 1; i <= kRows; ++i) application->write({std::to_string(i)});
  });
  EXPECT_TRUE(wait_for([&] { return offsets_in("tenant:42:kitchen").size() == kRows; }));
  writer.join();
  EXPECT_EQ(offsets_in("tenant:42"), range(1, kRows));
  EXPECT_EQ(offsets_in("tenant:42:kitchen"), range(1, kRows));
}

TEST_F(SqliteSourceTest, ADatabaseThatIsReplacedIsServedUnderANewEpoch) {
  start_on(backend_.make_store(config_), 1, 100);
  ASSERT_TRUE(wait_for([&] { return is_ready(); }));
  backend_.make_writer()->write({"a"});
  ASSERT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 1; }));
  const Epoch before = status().epoch;
  backend_.drop_and_remake();
  ASSERT_TRUE(wait_for(
      [&] { return status().epoch != before && status().state == SourceStatus::State::ready; }));
  backend_.make_writer()->write({"b"});
  EXPECT_TRUE(wait_for([&] { return offsets_in("tenant:42").size() == 2; }));
}

}  // namespace

}  // namespace ringcast
