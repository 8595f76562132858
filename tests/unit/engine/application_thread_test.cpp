// The thread that runs handlers: calls in their order, what they ask meanwhile, and its end. The
// test is the shard.
#include "application_thread.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "message/json.hpp"

namespace ringcast {
namespace {

class ApplicationThreadTest : public ::testing::Test {
 protected:
  using Box = Mailbox<ShardMail>;

  ApplicationThreadTest() {
    with_default_namespaces(config_);
    boxes_.push_back(std::make_unique<Box>(wakeup_));
    receiver_ = std::make_unique<Box::Receiver>(*boxes_.front());
    port_.connect(boxes_, nullptr);
    lane_ = port_.open_lane();
  }
  ~ApplicationThreadTest() override { stop(); }

  void on(std::string_view event, Application::Handler handler) {
    ASSERT_TRUE(application_.on(event, std::move(handler)).ok());
  }
  void start() {
    running_.emplace(application_, config_.app, port_);
    thread_ = std::thread([this] { running_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    send(StopMail{});
    thread_.join();
  }

  void send(ShardMail mail) {
    lane_.send_reserved(std::move(mail));
    lane_.wake();
  }
  void call(std::string_view event, std::uint64_t tag, std::string_view data = "null") {
    CallMail mail;
    mail.caller = {{{0}, {7, 1}}, tag};
    mail.handler = *application_.table().find_call(event);
    mail.identity = std::make_shared<const Identity>();
    mail.rooms = std::make_shared<const RoomSet>(std::vector<std::string>());
    mail.data = std::make_shared<const std::string>(data);
    send(std::move(mail));
  }
  // The next that comes to the shard; the test runner's time-out is the limit.
  template <class Mail>
  Mail next() {
    ShardMail found;
    const auto take = [&](ShardMail&& mail) {
      found = std::move(mail);
      return true;
    };
    while (receiver_->drain(1, take) == 0) {
      wakeup_.park();
      if (receiver_->drain(1, take) != 0) break;
      pollfd wait{wakeup_.fd(), POLLIN, 0};
      EXPECT_GE(::poll(&wait, 1, 30'000), 1) << "nothing has come";
      wakeup_.drain();
    }
    if (auto* mail = std::get_if<Mail>(&found)) return std::move(*mail);
    throw std::logic_error("other mail than the test has asked for");
  }
  // The next answer to a call, as "tag data" or "tag CODE message".
  std::string answered() {
    const auto answer = next<CallAnswerMail>();
    if (const auto* data = std::get_if<Payload>(&answer.result))
      return fmt::format("{} {}", answer.caller.tag, **data);
    const auto& error = std::get<CallError>(answer.result);
    return fmt::format("{} {} {}", answer.caller.tag, error.code.text(), error.message);
  }
  // The next of a handler, which is alone in its batch: that waits for it.
  struct Published {
    ReplyTo reply_to;
    std::string room;
    std::string data;
  };
  Published published() {
    const auto mail = next<PublishBatchMail>();
    Published found;
    mail.batch->for_each([&](const BatchedPublish& one) {
      found = {{mail.from, one.tag}, std::string(one.room), std::string(one.data)};
    });
    EXPECT_EQ(mail.batch->size(), 1U);
    return found;
  }
  void publish_answered(const Published& mail, Result<Appended> outcome) {
    send(PublishedMail{mail.reply_to, mail.room, std::move(outcome)});
  }
  static Application::Handler publishes() {
    return [](CallContext& call) -> CallOutcome {
      const auto done = call.publish("chat:1", "t", call.data());
      if (!done) return CallError{done.error().code, done.error().detail, {}};
      return fmt::format("{}", *done->offset);
    };
  }

  Config config_;
  Wakeup wakeup_;  // the shard's
  std::vector<std::unique_ptr<Box>> boxes_;
  std::unique_ptr<Box::Receiver> receiver_;
  Port port_{{1}, config_};
  ShardSender lane_;
  Application application_;
  std::optional<ApplicationThread> running_;
  std::thread thread_;
};

TEST_F(ApplicationThreadTest, CallsAreAnsweredInTheirOrder) {
  on("echo", [](CallContext& call) { return std::string(call.data()); });
  start();
  for (std::uint64_t tag = 1; tag <= 20; ++tag) call("echo", tag, std::to_string(tag));
  for (int tag = 1; tag <= 20; ++tag) EXPECT_EQ(answered(), fmt::format("{0} {0}", tag));
}

TEST_F(ApplicationThreadTest, ACallThatComesWhileAHandlerWaitsHasToWaitToo) {
  std::atomic<int> ran = 0;
  on("publish", publishes());
  on("count", [&](CallContext&) { return std::to_string(++ran); });
  start();
  call("publish", 1, R"("hi")");
  const auto first = published();
  EXPECT_EQ(first.room, "chat:1");
  EXPECT_EQ(first.data, R"("hi")");
  call("count", 2);
  call("publish", 3);
  EXPECT_EQ(ran, 0);
  publish_answered(first, Appended{{}, 41, "e"});
  EXPECT_EQ(answered(), "1 41");
  EXPECT_EQ(answered(), "2 1");
  publish_answered(published(), Appended{{}, 42, "e"});
  EXPECT_EQ(answered(), "3 42");
}

TEST_F(ApplicationThreadTest, WhyAPublishFailedIsToldToItsHandler) {
  on("publish", publishes());
  on("no json", [](CallContext& call) -> CallOutcome {
    return CallError{call.publish("chat:1", "t", "{").error().code, "not asked", {}};
  });
  start();
  call("publish", 1);
  publish_answered(published(), Error{Errc::unavailable, "subscribers are busy"});
  EXPECT_EQ(answered(), "1 UNAVAILABLE subscribers are busy");
  call("no json", 2);
  EXPECT_EQ(answered(), "2 VALIDATION_ERROR not asked");
}

TEST_F(ApplicationThreadTest, AHandlerReadsTheHistoryOfARoom) {
  on("read", [](CallContext& call) -> CallOutcome {
    const auto page = call.history("chat:1", Position{"e", 3}, 2);
    if (!page) return CallError{page.error().code, page.error().detail, {}};
    std::string data = "[";
    for (const EventRef& event : page->events) data += fmt::format("{},", event->offset);
    return data + (page->more ? "true]" : "false]");
  });
  start();
  call("read", 1);
  const auto asked = next<AdminMail>();
  const auto& ask = std::get<HistoryAsk>(*asked.ask);
  EXPECT_EQ(ask.room, "chat:1");
  EXPECT_EQ(ask.after, (Position{"e", 3}));
  EXPECT_EQ(ask.limit, 2U);
  HistoryPage page;
  const std::string_view room = "chat:1";
  for (const Offset offset : {4U, 5U}) {
    const Event fields{Uuid::random(), {}, "t", "null", {}, {}, {}, offset};
    page.events.push_back(make_events(fields, std::span(&room, 1)));
  }
  page.more = true;
  send(AdminAnswerMail{asked.reply_to, std::make_unique<AdminAnswer>(std::move(page))});
  EXPECT_EQ(answered(), "1 [4,5,true]");

  call("read", 2);
  send(AdminAnswerMail{next<AdminMail>().reply_to, Error{Errc::unavailable, "not ready"}});
  EXPECT_EQ(answered(), "2 UNAVAILABLE not ready");
}

TEST_F(ApplicationThreadTest, WhatAHandlerThrowsIsNotToldAndTheNextCallRuns) {
  on("throw", [](CallContext&) -> CallOutcome { throw std::runtime_error("a secret"); });
  on("throw a number", [](CallContext&) -> CallOutcome { throw 7; });
  on("no json", [](CallContext&) { return std::string("{"); });
  on("echo", [](CallContext& call) { return std::string(call.data()); });
  start();
  std::uint64_t tag = 0;
  for (const char* event : {"throw", "throw a number", "no json"}) {
    call(event, ++tag);
    EXPECT_EQ(answered(),
              fmt::format(
                  "{} INTERNAL_ERROR the application failed; its log has the correlation id", tag));
  }
  call("echo", ++tag, "1");
  EXPECT_EQ(answered(), "4 1");
}

TEST_F(ApplicationThreadTest, AnAnswerThatComesTooLateIsNotTakenForTheNext) {
  config_.app.answer_ms = 1;
  on("publish", publishes());
  start();
  call("publish", 1);
  const auto late = published();
  EXPECT_EQ(answered(), "1 UNAVAILABLE the room's shard or store did not answer in time");
  call("publish", 2);
  const auto second = published();
  EXPECT_NE(second.reply_to.tag, late.reply_to.tag);
  publish_answered(late, Appended{{}, 41, "e"});
  EXPECT_EQ(answered(), "2 UNAVAILABLE the room's shard or store did not answer in time");
}

TEST_F(ApplicationThreadTest, AStopEndsWhatAHandlerWaitsForAndAnswersWhatCameBefore) {
  config_.app.answer_ms = 600'000;
  on("publish", publishes());
  on("echo", [](CallContext& call) { return std::string(call.data()); });
  start();
  call("publish", 1);
  std::ignore = published();  // and nobody answers it
  call("echo", 2, "2");
  stop();
  EXPECT_EQ(answered(), "1 UNAVAILABLE the room's shard or store did not answer in time");
  EXPECT_EQ(answered(), "2 2");
}

}  // namespace
}  // namespace ringcast
