#include "hub/calls.hpp"

#include <gtest/gtest.h>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

using std::chrono::seconds;

class CallsTest : public testing::Test {
 protected:
  CallsTest() {
    Config config = World::config();
    config.app.answer_ms = 1'000;
    config.app.calls_per_connection_max = 3;
    config.app.calls_max = 5;
    config.app.verdict_ttl_s = 10;
    config.app.crashes_per_minute_max = 2;
    config.app.crash_pause_s = 10;
    config.engine.mailbox_max = 16;
    Handlers handlers;
    send_ = *handlers.add_call("send", RateLimit::sliding(4, seconds(10)));
    connect_ = *handlers.add_hook(HookKind::connect);
    gone_ = *handlers.add_hook(HookKind::disconnect);
    chat_ = *handlers.add_authorize("chat:*");
    world_.emplace(std::move(config), 2, std::move(handlers));
  }

  Result<void> call(Client& client, std::string_view event = "send", std::string_view data = "1") {
    CallAsk ask;
    ask.event = event;
    ask.data = std::make_shared<const std::string>(data);
    auto& calls = world_->hub(client.session.id.shard.value).calls();
    return calls.call(client.session, client.next_tag++, std::move(ask), world_->now());
  }
  // The next mail that the application finds.
  template <class Mail>
  Mail taken() {
    world_->settle();
    auto mail = world_->take_port_mail();
    EXPECT_EQ(mail.size(), 1U);
    if (mail.size() != 1 || !std::holds_alternative<Mail>(mail[0])) {
      ADD_FAILURE() << "other mail";
      return {};
    }
    return std::get<Mail>(std::move(mail[0]));
  }
  void answer(const ReplyTo& caller, std::string_view data) {
    world_->send_from_port(caller.connection.shard.value,
                           CallAnswerMail{caller, std::make_shared<const std::string>(data)});
  }
  void crash(const ReplyTo& caller) {
    world_->send_from_port(caller.connection.shard.value,
                           CallAnswerMail{caller, CallError{Errc::internal, "it fell", {}}});
  }
  void judge(const ReplyTo& caller, Result<std::shared_ptr<const Identity>> verdict) {
    world_->send_from_port(caller.connection.shard.value,
                           HookAnswerMail{caller, std::move(verdict)});
  }
  static std::string text_of(const CallResult& result) {
    if (const auto* data = std::get_if<Payload>(&result)) return **data;
    return std::string(std::get<CallError>(result).code.text());
  }
  HandlerMetrics& of(HandlerIndex handler) { return world_->metrics(0).handlers[handler.value]; }

  HandlerIndex send_, connect_, gone_, chat_;
  std::optional<World> world_;
};

TEST_F(CallsTest, ACallReachesTheApplicationAndItsAnswerTheCaller) {
  Client& ann = world_->connect(1, "ann");
  ASSERT_TRUE(call(ann, "send", R"({"a":1})").ok());
  const auto mail = taken<CallMail>();
  EXPECT_EQ(mail.handler, send_);
  EXPECT_EQ(mail.identity->user, "ann");
  EXPECT_EQ(*mail.data, R"({"a":1})");
  EXPECT_NE(mail.correlation_id, Uuid());
  answer(mail.caller, "7");
  ASSERT_EQ(ann.acks.size(), 1U);
  EXPECT_EQ(ann.acks[0].first, 1U);
  EXPECT_EQ(text_of(ann.acks[0].second), "7");
  answer(mail.caller, "8");
  EXPECT_EQ(ann.acks.size(), 1U) << "a call is answered once";
  EXPECT_EQ(world_->metrics(1).app_answers_late.value(), 1U);
}

TEST_F(CallsTest, ACodeOfTheApplicationReachesTheCallerAndIsCountedWithItsHandler) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(call(ann).ok());
  world_->send_from_port(
      0, CallAnswerMail{taken<CallMail>().caller, CallError{"SEAT_TAKEN", "by bob", {}}});
  ASSERT_EQ(ann.acks.size(), 1U);
  EXPECT_EQ(text_of(ann.acks[0].second), "SEAT_TAKEN");
  EXPECT_EQ(of(send_).own_errors.value(), 1U);
  for (const Counter& each : of(send_).errors) EXPECT_EQ(each.value(), 0U);
}

TEST_F(CallsTest, AnUnknownEventIsNotFoundByName) {
  const auto refused = call(world_->connect(0, "ann"), "nonsense");
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_NE(refused.error().detail.find("'nonsense'"), std::string::npos);
  EXPECT_EQ(world_->metrics(0).calls_unknown.value(), 1U);
}

TEST_F(CallsTest, TheRoomsOfACallAreMadeOnceUntilTheyChange) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(ann.subscribe("room:1").ok());
  world_->settle();
  ASSERT_TRUE(call(ann).ok());
  const auto first = taken<CallMail>();
  EXPECT_TRUE(first.rooms->contains("room:1"));
  EXPECT_FALSE(first.rooms->contains("room:2"));
  ASSERT_TRUE(call(ann).ok());
  EXPECT_EQ(taken<CallMail>().rooms, first.rooms) << "the same set";
  ASSERT_TRUE(ann.subscribe("room:2").ok());
  world_->settle();
  ASSERT_TRUE(ann.unsubscribe("room:1").ok());
  ASSERT_TRUE(call(ann).ok());
  const auto later = taken<CallMail>();
  EXPECT_EQ(later.rooms->rooms(), std::vector<std::string>{"room:2"});
  EXPECT_TRUE(first.rooms->contains("room:1")) << "what was handed over stays as it was";
}

TEST_F(CallsTest, AConnectionAndAShardHaveSoManyOpenCalls) {
  Client &ann = world_->connect(0, "ann"), &bob = world_->connect(0, "bob");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(call(ann).ok());
  EXPECT_EQ(call(ann).error().code, Errc::rate_limited);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(call(bob).ok());
  EXPECT_EQ(call(bob).error().code, Errc::rate_limited) << "calls_max of the shard";
  world_->settle();
  const auto mail = world_->take_port_mail();
  ASSERT_EQ(mail.size(), 5U);
  answer(std::get<CallMail>(mail[0]).caller, "1");
  EXPECT_TRUE(call(ann).ok());
  EXPECT_EQ(of(send_).calls.value(), 6U);
  EXPECT_EQ(of(send_).errors[static_cast<std::size_t>(Errc::rate_limited)].value(), 2U);
}

TEST_F(CallsTest, AConnectionCallsSoOften) {
  Client& ann = world_->connect(0, "ann");
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(call(ann).ok());
    answer(taken<CallMail>().caller, "1");
  }
  EXPECT_EQ(call(ann).error().code, Errc::rate_limited);
  EXPECT_EQ(world_->hub(0).calls().open(), 0U) << "what is refused takes no place";
  EXPECT_TRUE(call(world_->connect(0, "ann")).ok()) << "another connection has its own";
  world_->advance(Millis(10'000));
  EXPECT_TRUE(call(ann).ok());
}

TEST_F(CallsTest, AnApplicationThatTakesNothingIsUnavailable) {
  Client& ann = world_->connect(0, "ann");
  Mesh& mesh = world_->hub(0).mesh();
  while (mesh.try_send({2}, LeaveMail{"nobody:here", {0}})) {
  }
  EXPECT_EQ(call(ann).error().code, Errc::unavailable);
  EXPECT_EQ(world_->hub(0).calls().open(), 0U);
  std::ignore = world_->take_port_mail();
  EXPECT_TRUE(call(ann).ok());
}

TEST_F(CallsTest, AnAnswerThatDoesNotComeInTimeIsUnavailable) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(call(ann).ok());
  const auto mail = taken<CallMail>();
  world_->advance(Millis(999));
  EXPECT_TRUE(ann.acks.empty());
  EXPECT_EQ(world_->hub(0).next_deadline(), world_->now() + Millis(1)) << "it wakes the shard";
  world_->advance(Millis(1));
  ASSERT_EQ(ann.acks.size(), 1U);
  EXPECT_EQ(text_of(ann.acks[0].second), "UNAVAILABLE");
  EXPECT_EQ(of(send_).timeouts.value(), 1U);
  answer(mail.caller, "7");
  EXPECT_EQ(ann.acks.size(), 1U);
  EXPECT_EQ(world_->metrics(0).app_answers_late.value(), 1U);
}

TEST_F(CallsTest, AnswersOutOfOrderLeaveOnlyWhatIsOpen) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(call(ann).ok());
  const auto stuck = taken<CallMail>();
  Client& bob = world_->connect(0, "bob");
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(call(bob).ok());
    answer(taken<CallMail>().caller, "1");
  }
  EXPECT_EQ(world_->hub(0).calls().open(), 1U);
  answer(stuck.caller, "2");
  EXPECT_EQ(text_of(ann.acks.at(0).second), "2");
  EXPECT_FALSE(world_->hub(0).calls().next_deadline());
}

TEST_F(CallsTest, AHandlerThatCrashesAgainAndAgainIsCalledNoMoreForAWhile) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(call(world_->connect(0, "ann")).ok());
    crash(taken<CallMail>().caller);
  }
  const auto refused = call(world_->connect(0, "ann"));
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_NE(refused.error().detail.find("'send'"), std::string::npos);
  EXPECT_EQ(of(send_).broken.value(), 1U);
  EXPECT_EQ(world_->hub(0).calls().open(), 0U);
  EXPECT_EQ(world_->hub(0).next_deadline(), world_->now() + seconds(10)) << "it wakes the shard";

  world_->advance(Millis(10'000));
  EXPECT_EQ(of(send_).broken.value(), 0U);
  ASSERT_TRUE(call(world_->connect(0, "ann")).ok());
  EXPECT_EQ(call(world_->connect(0, "ann")).error().code, Errc::unavailable) << "one is tried";
  answer(taken<CallMail>().caller, "1");
  EXPECT_TRUE(call(world_->connect(0, "ann")).ok());
}

TEST_F(CallsTest, ATrialThatIsNotAnsweredInTimeHasFailed) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(call(world_->connect(0, "ann")).ok());
    crash(taken<CallMail>().caller);
  }
  world_->advance(Millis(10'000));
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(call(ann).ok());
  world_->advance(Millis(1'000));
  EXPECT_EQ(text_of(ann.acks.at(0).second), "UNAVAILABLE");
  EXPECT_EQ(of(send_).broken.value(), 1U);
}

TEST_F(CallsTest, ATrialThatFindsNoPlaceIsNone) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(call(world_->connect(0, "ann")).ok());
    crash(taken<CallMail>().caller);
  }
  world_->advance(Millis(10'000));
  Mesh& mesh = world_->hub(0).mesh();
  while (mesh.try_send({2}, LeaveMail{"nobody:here", {0}})) {
  }
  EXPECT_EQ(call(world_->connect(0, "ann")).error().code, Errc::unavailable);
  std::ignore = world_->take_port_mail();
  EXPECT_TRUE(call(world_->connect(0, "ann")).ok());
}

TEST_F(CallsTest, AConnectionThatIsGoneIsACountedNoOp) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(call(ann).ok());
  const auto mail = taken<CallMail>();
  ann.close();
  answer(mail.caller, "7");
  EXPECT_EQ(world_->metrics(0).answers_to_gone.value(), 1U);
  EXPECT_EQ(world_->hub(0).calls().open(), 0U);
}

TEST_F(CallsTest, ConnectAsksTheApplication) {
  Client& ann = world_->connect(0, "ann");
  auto& calls = world_->hub(0).calls();
  const auto asked = calls.connect(ann.session, 1, world_->now());
  ASSERT_TRUE(asked.ok() && *asked);
  const auto mail = taken<HookMail>();
  EXPECT_EQ(mail.kind, HookKind::connect);
  EXPECT_EQ(mail.handler, connect_);
  EXPECT_EQ(mail.identity->user, "ann");
  judge(mail.caller, Error{Errc::forbidden, "closed on Sundays"});
  ASSERT_EQ(ann.verdicts.size(), 1U);
  EXPECT_EQ(ann.verdicts[0].error().detail, "closed on Sundays");
}

TEST_F(CallsTest, AHookThatDoesNotAnswerRefuses) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(world_->hub(0).calls().connect(ann.session, 1, world_->now()).ok());
  world_->advance(Millis(1'000));
  ASSERT_EQ(ann.verdicts.size(), 1U);
  EXPECT_EQ(ann.verdicts[0].error().code, Errc::unavailable);
  EXPECT_EQ(of(connect_).timeouts.value(), 1U);
}

TEST_F(CallsTest, TheApplicationJudgesARoomOnceForItsTime) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(ann.subscribe("chat:1").ok());
  const auto mail = taken<HookMail>();
  EXPECT_EQ(mail.kind, HookKind::authorize);
  EXPECT_EQ(mail.handler, chat_);
  EXPECT_EQ(mail.subject, "chat:1");
  EXPECT_TRUE(ann.take().empty()) << "it waits";
  judge(mail.caller, std::shared_ptr<const Identity>());
  EXPECT_EQ(ann.take("subscribed", "chat:1").size(), 1U);
  EXPECT_EQ(ann.session.questions, 0U);

  Client& again = world_->connect(0, "ann");
  ASSERT_TRUE(again.subscribe("chat:1").ok());
  world_->settle();
  EXPECT_EQ(again.take("subscribed", "chat:1").size(), 1U) << "remembered";
  EXPECT_TRUE(world_->take_port_mail().empty());
  world_->advance(Millis(10'000));
  ASSERT_TRUE(world_->connect(0, "ann").subscribe("chat:1").ok());
  std::ignore = taken<HookMail>();
}

TEST_F(CallsTest, WhatTheApplicationRefusesIsForbiddenWhateverTheToken) {
  Client& ann = world_->connect(0, "ann");  // granted everything
  ASSERT_TRUE(ann.subscribe("chat:1").ok());
  judge(taken<HookMail>().caller, Error{Errc::forbidden, "no member"});
  const auto seen = ann.take("error", "");
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].code, "FORBIDDEN");
  EXPECT_EQ(ann.session.questions, 0U);
  EXPECT_EQ(ann.subscribe("chat:1").error().code, Errc::forbidden) << "remembered";
  EXPECT_EQ(world_->metrics(0).subscriptions.value(), 0U);
}

TEST_F(CallsTest, AVerdictThatDidNotComeIsNotRemembered) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(ann.subscribe("chat:1").ok());
  std::ignore = taken<HookMail>();
  world_->advance(Millis(1'000));
  EXPECT_EQ(ann.take("error", "").at(0).code, "UNAVAILABLE");
  ASSERT_TRUE(ann.subscribe("chat:1").ok());
  judge(taken<HookMail>().caller, std::shared_ptr<const Identity>());
  EXPECT_EQ(ann.take("subscribed", "chat:1").size(), 1U);
}

TEST_F(CallsTest, AVerdictForOneWhoIsLeavingSubscribesNobody) {
  Client& ann = world_->connect(0, "ann");
  ASSERT_TRUE(ann.subscribe("chat:1").ok());
  const auto mail = taken<HookMail>();
  ann.session.closing = CloseReason::kicked;
  judge(mail.caller, std::shared_ptr<const Identity>());
  EXPECT_TRUE(ann.session.subscriptions.empty());
}

TEST_F(CallsTest, TheEndOfAConnectionIsToldOnceWithItsReason) {
  Client &ann = world_->connect(0, "ann"), &bob = world_->connect(0, "bob");
  world_->connect(0, "carol").close();  // was never announced
  world_->hub(0).calls().announce(ann.session);
  world_->hub(0).calls().announce(bob.session);
  ann.session.closing = CloseReason::no_pong;
  world_->hub(0).leave_rooms(ann.session);
  ann.close();
  const auto mail = taken<HookMail>();
  EXPECT_EQ(mail.kind, HookKind::disconnect);
  EXPECT_EQ(mail.identity->user, "ann");
  EXPECT_EQ(mail.subject, "no pong in time");
  bob.close();
  EXPECT_EQ(taken<HookMail>().subject, "peer is gone");
}

TEST_F(CallsTest, EndsThatFindNoPlaceAreToldLaterUpToABound) {
  std::vector<Client*> clients;
  for (int i = 0; i < 7; ++i) {
    clients.push_back(&world_->connect(0, "ann"));
    world_->hub(0).calls().announce(clients.back()->session);
  }
  Mesh& mesh = world_->hub(0).mesh();
  while (mesh.try_send({2}, LeaveMail{"nobody:here", {0}})) {
  }
  for (Client* client : clients) client->close();
  EXPECT_FALSE(world_->hub(0).has_unsent()) << "the port tells, nobody looks";
  EXPECT_EQ(world_->metrics(0).disconnects_lost.value(), 2U) << "beyond calls_max";
  std::ignore = world_->take_port_mail();
  world_->settle();
  EXPECT_EQ(world_->take_port_mail().size(), 5U);
}

}  // namespace
}  // namespace ringcast
