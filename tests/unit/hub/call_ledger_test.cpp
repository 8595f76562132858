#include "hub/call_ledger.hpp"

#include <gtest/gtest.h>

#include "auth/identity.hpp"

namespace ringcast {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class Ledger : public testing::Test {
 protected:
  Ledger() {
    send_ = *handlers_.add_call("send", {}, RateLimit::sliding(3, seconds(10)));
    move_ = *handlers_.add_call("move");
  }

  static Payload data(std::string_view text) { return std::make_shared<const std::string>(text); }

  CallMail call(HandlerIndex handler, std::string user, std::string key = {},
                std::string_view text = "{}") {
    CallMail mail;
    mail.caller = {{{0}, {1, 1}}, ++tag_};
    mail.handler = handler;
    mail.identity = std::make_shared<const Identity>(Identity{std::move(user), {}, {}});
    mail.data = data(text);
    mail.idempotency_key = std::move(key);
    return mail;
  }

  // "run", "wait", the answer, or the code of the refusal.
  std::string admitted(const CallMail& mail) {
    const auto admission = ledger_.admit(mail, now_);
    if (std::holds_alternative<CallLedger::Run>(admission)) return "run";
    if (std::holds_alternative<CallLedger::Wait>(admission)) return "wait";
    const auto& result = std::get<CallResult>(admission);
    if (const auto* answer = std::get_if<Payload>(&result)) return **answer;
    return std::string(std::get<CallError>(result).code.text());
  }

  std::size_t finish(const CallMail& mail, const CallResult& result) {
    return ledger_.finished(mail, result, now_).size();
  }

  AppConfig config_;
  Handlers handlers_;
  HandlerIndex send_, move_;
  CallLedger ledger_{config_, handlers_};
  Instant now_{hours(1)};
  std::uint64_t tag_ = 0;
};

TEST_F(Ledger, ACallWithoutAKeyAlwaysRuns) {
  for (int i = 0; i < 5; ++i) {
    const CallMail mail = call(move_, "ann");
    EXPECT_EQ(admitted(mail), "run");
    EXPECT_EQ(finish(mail, data("1")), 0U);
  }
  EXPECT_EQ(ledger_.remembered(), 0U);
}

TEST_F(Ledger, ARepeatGetsTheFirstAnswer) {
  const CallMail first = call(move_, "ann", "k");
  EXPECT_EQ(admitted(first), "run");
  EXPECT_EQ(finish(first, data("7")), 0U);
  EXPECT_EQ(admitted(call(move_, "ann", "k")), "7");
  EXPECT_EQ(admitted(call(move_, "bob", "k")), "run") << "a key is its user's";
  EXPECT_EQ(admitted(call(send_, "ann", "k")), "run") << "and its event's";
  EXPECT_EQ(admitted(call(move_, "ann", "k", "[]")), "CONFLICT");
}

TEST_F(Ledger, ARepeatWaitsForTheOneThatRuns) {
  const CallMail first = call(move_, "ann", "k"), second = call(move_, "ann", "k");
  EXPECT_EQ(admitted(first), "run");
  EXPECT_EQ(admitted(second), "wait");
  EXPECT_EQ(admitted(call(move_, "ann", "k", "[]")), "CONFLICT");
  const auto waiting = ledger_.finished(first, data("7"), now_);
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].tag, second.caller.tag);
}

TEST_F(Ledger, WhatFailedIsTriedAgain) {
  const CallMail first = call(move_, "ann", "k");
  EXPECT_EQ(admitted(first), "run");
  EXPECT_EQ(admitted(call(move_, "ann", "k")), "wait");
  EXPECT_EQ(finish(first, CallError{Errc::unavailable, "later", {}}), 1U);
  EXPECT_EQ(admitted(call(move_, "ann", "k")), "run");
}

TEST_F(Ledger, ForgetsAnswersAfterTheirWindow) {
  const CallMail first = call(move_, "ann", "k");
  EXPECT_EQ(admitted(first), "run");
  EXPECT_EQ(finish(first, data("7")), 0U);
  now_ += seconds(config_.idempotency_window_s) - Nanos(1);
  EXPECT_EQ(admitted(call(move_, "ann", "k")), "7");
  now_ += Nanos(1);
  EXPECT_EQ(admitted(call(move_, "ann", "k")), "run");
}

TEST_F(Ledger, AtItsBytesForgetsTheOldest) {
  config_.idempotency_bytes_max = 4'096;
  const std::string large = "\"" + std::string(1'000, 'x') + "\"";
  for (const std::string_view key : {"1", "2", "3"}) {
    const CallMail mail = call(move_, "ann", std::string(key));
    EXPECT_EQ(admitted(mail), "run");
    EXPECT_EQ(finish(mail, data(large)), 0U);
  }
  EXPECT_EQ(admitted(call(move_, "ann", "1")), large) << "three fit";
  const CallMail fourth = call(move_, "ann", "4");
  EXPECT_EQ(admitted(fourth), "run");
  EXPECT_EQ(finish(fourth, data(large)), 0U);
  EXPECT_EQ(ledger_.remembered(), 3U);
  EXPECT_EQ(admitted(call(move_, "ann", "2")), large);
  EXPECT_EQ(admitted(call(move_, "ann", "1")), "run") << "the first was forgotten";
}

TEST_F(Ledger, AnAnswerBeyondItsBytesIsGivenAndNotKept) {
  config_.idempotency_bytes_max = 1'024;
  const CallMail mail = call(move_, "ann", "k");
  EXPECT_EQ(admitted(mail), "run");
  EXPECT_EQ(admitted(call(move_, "ann", "k")), "wait");
  EXPECT_EQ(finish(mail, data(std::string(1'024, '1'))), 1U);
  EXPECT_EQ(ledger_.remembered(), 0U);
}

TEST_F(Ledger, CountsAUserOverAllConnections) {
  for (std::uint32_t i = 0; i < 3; ++i) {
    CallMail mail = call(send_, "ann");
    mail.caller.connection = {{i}, {i, 1}};
    EXPECT_EQ(admitted(mail), "run");
  }
  EXPECT_EQ(admitted(call(send_, "ann")), "RATE_LIMITED");
  EXPECT_EQ(admitted(call(send_, "bob")), "run");
  now_ += seconds(10);
  EXPECT_EQ(admitted(call(send_, "ann")), "run");
}

TEST_F(Ledger, AnonymousCallersAreCountedByConnection) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admitted(call(send_, "", "")), "run");
  EXPECT_EQ(admitted(call(send_, "", "")), "RATE_LIMITED");
  CallMail other = call(send_, "");
  other.caller.connection = {{0}, {2, 1}};
  EXPECT_EQ(admitted(other), "run");
}

TEST_F(Ledger, ARepeatOfAnAnswerTakesNothingOfTheRate) {
  const CallMail first = call(send_, "ann", "k");
  EXPECT_EQ(admitted(first), "run");
  EXPECT_EQ(finish(first, data("7")), 0U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(admitted(call(send_, "ann", "k")), "7");
  EXPECT_EQ(admitted(call(send_, "ann")), "run");
}

}  // namespace
}  // namespace ringcast
