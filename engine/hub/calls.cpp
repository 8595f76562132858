#include "hub/calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringcast {

namespace {

Caller& caller_of(Session& session) {
  if (!session.caller) session.caller = std::make_unique<Caller>();
  return *session.caller;
}

bool crashed(const CallResult& result) {
  const auto* error = std::get_if<CallError>(&result);
  return error != nullptr && error->code.of_engine() == Errc::internal;
}

}  // namespace

Calls::Calls(const Config& config, const Handlers& handlers, Mesh& mesh, Audience& audience,
             ShardMetrics& metrics)
    : config_(config),
      handlers_(handlers),
      mesh_(mesh),
      audience_(audience),
      metrics_(metrics),
      verdicts_(std::chrono::seconds(config.app.verdict_ttl_s), config.app.verdicts_max),
      open_(config.app.calls_max),
      breakers_(config.app, metrics.handlers) {}

Error Calls::refused(HandlerIndex handler, Error error) {
  metrics_.handlers[handler.value].errors[static_cast<std::size_t>(error.code)].add();
  return error;
}

// The place of the answer, before anything is sent.
Result<SlotId> Calls::reserve(Session& session, std::uint64_t tag, HandlerIndex handler,
                              Instant now) {
  Caller& caller = caller_of(session);
  const std::uint32_t calls_max = config_.app.calls_per_connection_max;
  if (caller.open >= calls_max)
    return refused(handler,
                   {Errc::rate_limited,
                    fmt::format("{} calls of this connection wait for answers", calls_max)});
  const SlotId question =
      open_.emplace(Open{session.id, tag, handler, Uuid::random(), {}, {}, false});
  if (!question)
    return refused(handler, {Errc::rate_limited, "too many calls wait for answers, try again"});
  ++caller.open;
  due_.push_back({now + Millis(config_.app.answer_ms), question});
  return question;
}

void Calls::release(Session& session, SlotId question) {
  --session.caller->open;
  open_.erase(question);
  trim_due();
}

bool Calls::send(Session& session, ShardMail&& mail) {
  return mesh_.try_send(handlers_.port_of(session.user(), session.id), std::move(mail));
}

// Without a place at the port the question is taken back.
Result<void> Calls::hand_over(Session& session, SlotId question, HandlerIndex handler,
                              ShardMail&& mail) {
  if (!send(session, std::move(mail))) {
    release(session, question);
    return refused(handler, {Errc::unavailable, "the application is busy, try again"});
  }
  metrics_.handlers[handler.value].calls.add();
  return {};
}

const std::shared_ptr<const RoomSet>& Calls::rooms_of(Session& session) {
  auto& kept = session.caller->rooms;
  if (kept) return kept;
  std::vector<std::string> rooms;
  for (const auto& subscription : session.subscriptions)
    if (subscription.joined) rooms.push_back(subscription.channel->room);
  return kept = std::make_shared<const RoomSet>(std::move(rooms));
}

Result<void> Calls::call(Session& session, std::uint64_t tag, CallAsk ask, Instant now) {
  const auto handler = handlers_.find_call(ask.event);
  if (!handler) {
    metrics_.calls_unknown.add();
    return {Errc::not_found, fmt::format("event: nothing answers '{}'", ask.event)};
  }
  const Breakers::Pass pass = breakers_.ask(handler->value, now);
  if (pass == Breakers::Pass::no)
    return refused(*handler, {Errc::unavailable,
                              fmt::format("event: what answers '{}' fails again and again, try "
                                          "again later",
                                          ask.event)});
  const bool trial = pass == Breakers::Pass::trial;
  auto called = hand_over_call(session, tag, std::move(ask), *handler, trial, now);
  if (!called && trial) breakers_.withdraw(handler->value);
  return called;
}

Result<void> Calls::hand_over_call(Session& session, std::uint64_t tag, CallAsk&& ask,
                                   HandlerIndex handler, bool trial, Instant now) {
  const auto question = reserve(session, tag, handler, now);
  if (!question) return question.error();
  if (!session.caller->meter(handler).take(handlers_.row(handler).per_connection, now)) {
    release(session, *question);
    return refused(handler, {Errc::rate_limited,
                             fmt::format("event: too many '{}' of this connection", ask.event)});
  }
  Open& open = *open_.find(*question);
  open.trial = trial;
  CallMail mail{{session.id, number_of(*question)},
                handler,
                session.identity,
                rooms_of(session),
                std::move(ask.data),
                std::string(ask.idempotency_key),
                open.correlation_id,
                ask.time};
  return hand_over(session, *question, handler, std::move(mail));
}

Result<SlotId> Calls::ask_hook(Session& session, std::uint64_t tag, HandlerIndex handler,
                               std::string_view subject, Instant now) {
  const auto question = reserve(session, tag, handler, now);
  if (!question) return question.error();
  HookMail mail{{session.id, number_of(*question)},
                handler,
                *handlers_.row(handler).hook,
                session.identity,
                std::string(subject),
                open_.find(*question)->correlation_id};
  if (auto sent = hand_over(session, *question, handler, std::move(mail)); !sent)
    return sent.error();
  return question;
}

Result<void> Calls::identify(Session& session, std::uint64_t tag, std::string_view token,
                             Instant now) {
  const auto hook = handlers_.find_hook(HookKind::session_token);
  ensure(hook.has_value(), "Calls::identify: nobody knows session tokens");
  auto asked = ask_hook(session, tag, *hook, token, now);
  if (!asked) return asked.error();
  return {};
}

Result<bool> Calls::connect(Session& session, std::uint64_t tag, Instant now) {
  const auto hook = handlers_.find_hook(HookKind::connect);
  if (!hook || session.is_server()) return false;
  auto asked = ask_hook(session, tag, *hook, {}, now);
  if (!asked) return asked.error();
  return true;
}

Result<void> Calls::subscribe(Session& session, std::uint64_t tag, HandlerIndex hook,
                              std::string_view room, std::optional<Position> recover, Instant now) {
  if (const auto verdict = verdicts_.find(session.user(), room, now)) {
    metrics_.verdicts_remembered.add();
    if (*verdict) return audience_.subscribe(session, room, tag, std::move(recover));
    return refused(hook,
                   {Errc::forbidden, fmt::format("room: the application refuses '{}'", room)});
  }
  const auto asked = ask_hook(session, tag, hook, room, now);
  if (!asked) return asked.error();
  Open& open = *open_.find(*asked);
  open.room = room;
  open.recover = std::move(recover);
  return {};
}

void Calls::announce(Session& session) {
  if (!session.is_server() && handlers_.find_hook(HookKind::disconnect))
    caller_of(session).announced = true;
}

void Calls::left(Session& session) {
  if (!session.caller || !session.caller->announced) return;
  session.caller->announced = false;
  const HandlerIndex hook = *handlers_.find_hook(HookKind::disconnect);
  const std::string_view why = session.closing ? close_row(*session.closing).text : "peer is gone";
  HookMail mail{{session.id, 0},  hook,          HookKind::disconnect, session.identity,
                std::string(why), Uuid::random()};
  metrics_.handlers[hook.value].calls.add();
  // Behind those that wait, so that their order holds.
  if (unsent_.empty() && send(session, ShardMail(mail))) return;
  if (unsent_.size() >= config_.app.calls_max) return metrics_.disconnects_lost.add();
  unsent_.push_back(std::move(mail));
  if (unsent_.size() == 1) mesh_.ask_for_places(handlers_.port_of(session.user(), session.id));
}

std::optional<Calls::Open> Calls::take(std::uint64_t tag) {
  const SlotId question = slot_of(tag);
  Open* found = open_.find(question);
  if (found == nullptr) return std::nullopt;
  Open open = std::move(*found);
  open_.erase(question);
  trim_due();
  return open;
}

// Those that are answered leave the queue when they come to its front; behind one that is not, they
// stay until they are most of it.
void Calls::trim_due() {
  constexpr std::size_t kSlack = 64;
  while (!due_.empty() && open_.find(due_.front().question) == nullptr) due_.pop_front();
  if (due_.size() > 2 * std::size_t{open_.size()} + kSlack)
    std::erase_if(due_, [&](const Due& due) { return open_.find(due.question) == nullptr; });
}

std::optional<Instant> Calls::next_deadline() const {
  const auto pause_ends = breakers_.next_end();
  if (due_.empty()) return pause_ends;
  return std::min(due_.front().at, pause_ends.value_or(Instant::max()));
}

// In their order: the first that finds no place holds up the others until its port has some.
void Calls::send_unsent() {
  const auto sent = [&](HookMail& mail) {
    const std::string_view user = mail.identity ? mail.identity->user : std::string_view();
    const ShardIndex port = handlers_.port_of(user, mail.caller.connection);
    const bool place = mesh_.try_send(port, std::move(mail));
    if (!place) mesh_.ask_for_places(port);
    return place;
  };
  const auto left = std::find_if_not(unsent_.begin(), unsent_.end(), sent);
  unsent_.erase(unsent_.begin(), left);
}

void Calls::run(Instant now) {
  breakers_.run(now);
  send_unsent();
  while (!due_.empty() && due_.front().at <= now) {
    auto open = take(number_of(due_.front().question));
    ensure(open.has_value(), "the first question of those that are due was answered");
    metrics_.handlers[open->handler.value].timeouts.add();
    const std::string late = "the application did not answer in time";
    if (handlers_.row(open->handler).hook) {
      finish(std::move(*open), Error{Errc::unavailable, late}, now);
      continue;
    }
    breakers_.ended(open->handler.value, open->trial, open->trial, now);
    finish(*open, CallError{Errc::unavailable, late, {}});
  }
}

Session* Calls::asker(const Open& open) {
  Session* session = audience_.find(open.connection);
  if (session == nullptr)
    metrics_.answers_to_gone.add();
  else
    --session->caller->open;
  return session;
}

void Calls::answered(CallAnswerMail&& mail, Instant now) {
  const auto open = take(mail.caller.tag);
  if (!open) return metrics_.app_answers_late.add();
  breakers_.ended(open->handler.value, open->trial, crashed(mail.result), now);
  finish(*open, mail.result);
}

void Calls::answered(HookAnswerMail&& mail, Instant now) {
  if (auto open = take(mail.caller.tag)) return finish(std::move(*open), mail.verdict, now);
  metrics_.app_answers_late.add();
}

void Calls::finish(const Open& open, const CallResult& result) {
  if (const auto* error = std::get_if<CallError>(&result)) {
    HandlerMetrics& metrics = metrics_.handlers[open.handler.value];
    const auto code = error->code.of_engine();
    (code ? metrics.errors[static_cast<std::size_t>(*code)] : metrics.own_errors).add();
  }
  if (Session* session = asker(open))
    session->peer->call_answered(*session, open.tag, result, open.correlation_id);
}

void Calls::finish(Open&& open, const Result<std::shared_ptr<const Identity>>& verdict,
                   Instant now) {
  if (!verdict) std::ignore = refused(open.handler, {verdict.error().code, {}});
  Session* session = asker(open);
  if (session == nullptr) return;
  const HookKind kind = *handlers_.row(open.handler).hook;
  if (kind == HookKind::authorize)
    finish_subscribe(*session, std::move(open), verdict, now);
  else
    session->peer->hook_answered(*session, open.tag, kind, verdict);
}

// What goes wrong from here on is told as the answer to the subscribe that it is.
void Calls::finish_subscribe(Session& session, Open&& open,
                             const Result<std::shared_ptr<const Identity>>& verdict, Instant now) {
  // Only what the application has said is remembered, not that it was busy.
  const bool judged = verdict.ok() || verdict.error().code != Errc::unavailable;
  if (judged) verdicts_.remember(session.user(), open.room, verdict.ok(), now);
  Result<void> subscribed;
  if (!verdict)
    subscribed = verdict.error();
  else if (!session.closing)
    subscribed = audience_.subscribe(session, open.room, open.tag, std::move(open.recover));
  if (subscribed && !session.closing) return;
  --session.questions;
  if (session.closing) return;
  SubscribedMail answer;
  answer.room = std::move(open.room);
  answer.reply_to = {session.id, open.tag};
  answer.error = subscribed.error();
  session.peer->subscribed(session, open.tag, answer);
}

}  // namespace ringcast
