// A running Source whose shards are the test's thread.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "message/home_shard.hpp"
#include "message/timestamp.hpp"
#include "store/source.hpp"
#include "unit/store/fake_store.hpp"

namespace ringcast {

// One shard: its mailbox, and what has been taken from it.
struct TestShard {
  Wakeup wakeup;
  Mailbox<ShardMail> mailbox{wakeup};
  Mailbox<ShardMail>::Receiver receiver{mailbox};
  std::vector<ShardMail> got;

  void drain(std::size_t most) {
    receiver.drain(most, [this](ShardMail&& mail) {
      got.push_back(std::move(mail));
      return true;
    });
  }

  template <class Mail>
  [[nodiscard]] std::vector<const Mail*> all() const {
    std::vector<const Mail*> found;
    for (const ShardMail& mail : got)
      if (const auto* one = std::get_if<Mail>(&mail)) found.push_back(one);
    return found;
  }
};

class SourceFixture : public testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  SourceFixture() {
    config_.store.url = "fake";
    with_default_namespaces(config_);
  }
  ~SourceFixture() override { stop(); }

  void start(std::uint32_t shards, std::uint64_t credits) {
    start_on(std::make_unique<FakeStore>(database_), shards, credits);
  }

  void start_on(std::unique_ptr<OutboxStore> store, std::uint32_t shards, std::uint64_t credits) {
    std::vector<Mailbox<ShardMail>::Sender> senders;
    for (std::uint32_t i = 0; i < shards; ++i) {
      shards_.push_back(std::make_unique<TestShard>());
      senders.push_back(shards_.back()->mailbox.open(credits));
    }
    source_ = std::make_unique<Source>(SourceParts{
        std::move(store), Mailbox<SourceMail>::Receiver(mailbox_), wakeup_, std::move(senders),
        config_, EventSchemas::load(config_.outbox).value(), [this](const SourceStatus& status) {
          const std::lock_guard lock(status_mutex_);
          status_ = status;
        }});
    thread_ = std::thread([this] { source_->run(); });
  }

  void ask(SourceMail mail) {
    ASSERT_TRUE(to_source_.try_send(std::move(mail)));
    to_source_.wake();
  }

  void stop() {
    if (!thread_.joinable()) return;
    ask(StopMail{});
    thread_.join();
  }

  SourceStatus status() {
    const std::lock_guard lock(status_mutex_);
    return status_;
  }

  // Drains all shards until it holds; false when it takes too long.
  bool wait_for(const std::function<bool()>& holds) {
    return wait_draining(holds, [this] {
      for (auto& shard : shards_) shard->drain(1'000);
    });
  }

  // The same with a drain of the test's own.
  bool wait_draining(const std::function<bool()>& holds, const std::function<void()>& drain) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      for (auto& shard : shards_) shard->wakeup.park();
      drain();
      if (holds()) return true;
      if (std::chrono::steady_clock::now() > end) return false;
      std::vector<pollfd> fds;
      for (auto& shard : shards_) fds.push_back({shard->wakeup.fd(), POLLIN, 0});
      // Not everything that is waited for comes as mail.
      ::poll(fds.data(), fds.size(), 2);
      for (auto& shard : shards_) shard->wakeup.drain();
    }
  }

  bool is_ready() {
    for (auto& shard : shards_) {
      const auto states = shard->all<StoreStateMail>();
      if (states.empty() || !states.back()->ready) return false;
    }
    return true;
  }

  static OutboxRow row(Offset offset, std::string_view tenant = "42") {
    OutboxRow row;
    row.id = static_cast<std::int64_t>(offset);
    row.offset = offset;
    row.event_id = Uuid::random();
    row.tenant_id = tenant;
    row.aggregate_type = "Task";
    row.aggregate_id = "task";
    row.event_type = "kitchen.task.claimed";
    row.occurred_at = parse_timestamp("2026-01-02T03:04:05Z");
    row.payload = "{}";
    row.payload_bytes = row.payload.size();
    return row;
  }

  static Window window(std::vector<OutboxRow> rows) {
    Window window;
    window.top = rows.empty() ? 0 : rows.back().offset;
    window.rows = std::move(rows);
    return window;
  }

  void commit(Window window) {
    database_.use([&](FakeDatabase::State& state) { state.windows.push_back(std::move(window)); });
  }

  // One window for each row, all of them in the table before the source sees the first: kitchen's
  // tasks in tenant 42.
  void commit_rows(Offset from, Offset to) {
    database_.use([&](FakeDatabase::State& state) {
      for (Offset offset = from; offset <= to; ++offset)
        state.windows.push_back(window({row(offset)}));
    });
  }

  std::vector<Offset> offsets_in(std::string_view room) const {
    std::vector<Offset> offsets;
    for (const auto& shard : shards_)
      for (const StoredMail* mail : shard->all<StoredMail>())
        if (mail->event->room == room) offsets.push_back(mail->event->offset);
    return offsets;
  }

  static std::vector<Offset> range(Offset from, Offset to) {
    std::vector<Offset> offsets;
    for (; from <= to; ++from) offsets.push_back(from);
    return offsets;
  }

  static AppendMail append_mail(std::uint64_t tag, std::uint32_t shard = 0) {
    AppendMail mail;
    mail.row.event_id = Uuid::random();
    mail.row.room = "tenant:42";
    mail.row.event_type = "note";
    mail.row.data = std::make_shared<const std::string>("1");
    mail.reply_to = reply_to(tag, shard);
    return mail;
  }

  static ReplyTo reply_to(std::uint64_t tag, std::uint32_t shard = 0) {
    return {ConnectionId{ShardIndex{shard}, SlotId{1, 1}}, tag};
  }

  const PublishedMail* answer_to(std::uint64_t tag) const {
    for (const auto& shard : shards_)
      for (const PublishedMail* mail : shard->all<PublishedMail>())
        if (mail->reply_to.tag == tag) return mail;
    return nullptr;
  }

  Config config_;
  FakeDatabase database_;
  Wakeup wakeup_;
  Mailbox<SourceMail> mailbox_{wakeup_};
  Mailbox<SourceMail>::Sender to_source_ = mailbox_.open(1'000);
  std::vector<std::unique_ptr<TestShard>> shards_;

 private:
  std::mutex status_mutex_;
  SourceStatus status_;
  std::unique_ptr<Source> source_;
  std::thread thread_;
};

}  // namespace ringcast
