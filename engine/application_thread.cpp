#include "application_thread.hpp"

#include <poll.h>

#include <exception>
#include <utility>

#include "base/log.hpp"
#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

constexpr std::size_t kMailAtOnce = 256;

// What is wrong with a function is for the log; its client learns the correlation id.
template <class Function>
auto guarded(const Uuid& correlation_id, const std::string& name, Function function)
    -> std::optional<decltype(function())> {
  try {
    return function();
  } catch (const std::exception& thrown) {
    log::error("handler '{}' threw: {} (correlation id {})", name, thrown.what(),
               correlation_id.text());
  } catch (...) {
    log::error("handler '{}' threw (correlation id {})", name, correlation_id.text());
  }
  return std::nullopt;
}

const char* const kFailed = "the application failed; its log has the correlation id";

}  // namespace

void ApplicationThread::run() {
  while (!stopping_) {
    while (!waiting_.empty()) {
      ShardMail next = std::move(waiting_.front());
      waiting_.pop_front();
      if (auto* call = std::get_if<CallMail>(&next))
        handle(std::move(*call));
      else
        handle(std::move(std::get<HookMail>(next)));
      port_.flush();  // each at once: nobody knows how long the next will take
    }
    if (!port_.drain(kMailAtOnce, *this) && waiting_.empty() && !stopping_)
      std::ignore = wait_for_mail(Millis(-1));
  }
}

// False: nothing has come in time.
bool ApplicationThread::wait_for_mail(Millis timeout) {
  pollfd wait{port_.fd(), POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(timeout.count())) != 0;
}

// Other calls that come meanwhile wait for their turn.
template <class Answer>
bool ApplicationThread::wait_for(const std::optional<Answer>& answer) {
  port_.flush();
  const Instant deadline = clock_.now() + Millis(config_.answer_ms);
  while (!answer && !stopping_) {
    if (port_.drain(kMailAtOnce, *this) || answer || stopping_) continue;
    const Nanos left = deadline - clock_.now();
    if (left <= Nanos::zero()) break;
    std::ignore = wait_for_mail(std::chrono::ceil<Millis>(left));
  }
  return answer.has_value();
}

Result<Appended> ApplicationThread::publish(PublishAsk ask) {
  published_.reset();
  asked_ = next_tag_++;
  const auto sent = port_.publish(std::move(ask), clock_.wall(), asked_);
  if (!sent) return sent.error();
  if (*sent == Asked::full)
    return {Errc::unavailable, "the room's shard or store is busy, try again"};
  if (wait_for(published_)) return std::move(*published_);
  return {Errc::unavailable, "the room's shard or store did not answer in time"};
}

Result<PresenceListMail> ApplicationThread::presence(std::string_view room, std::string_view after,
                                                     std::uint32_t limit) {
  presence_.reset();
  asked_ = next_tag_++;
  if (auto sent = port_.list_viewers(room, after, limit, asked_); !sent) return sent.error();
  if (wait_for(presence_)) return std::move(*presence_);
  return {Errc::unavailable, "the room's shard did not answer in time"};
}

Result<HistoryPage> ApplicationThread::history(HistoryAsk ask) {
  if (auto good = check_room(ask.room); !good) return good.error();
  administered_.reset();
  asked_ = next_tag_++;
  // Whichever shard is asked gathers what the others say.
  const auto asked = std::make_shared<const AdminAsk>(std::move(ask));
  if (auto sent = port_.ask(ShardIndex{0}, AdminMail{port_.reply_to(asked_), asked}); !sent)
    return sent.error();
  if (!wait_for(administered_))
    return {Errc::unavailable, "the room's shard did not answer in time"};
  if (!*administered_) return administered_->error();
  return std::get<HistoryPage>(std::move(***administered_));
}

void ApplicationThread::published(std::uint64_t tag, const PublishedMail& answer) {
  if (tag == asked_) published_ = answer.outcome;
}

void ApplicationThread::presence_list(std::uint64_t tag, const PresenceListMail& answer) {
  if (tag == asked_) presence_ = answer;
}

void ApplicationThread::administered(AdminAnswerMail&& answer) {
  port_.answered();
  if (answer.reply_to.tag == asked_) administered_ = std::move(answer.outcome);
}

void ApplicationThread::mail(ShardMail&& mail) {
  if (std::holds_alternative<StopMail>(mail))
    stopping_ = true;
  else if (auto* answer = std::get_if<AdminAnswerMail>(&mail))
    administered(std::move(*answer));
  else if (std::holds_alternative<CallMail>(mail) || std::holds_alternative<HookMail>(mail))
    waiting_.push_back(std::move(mail));
}

void ApplicationThread::answer(const ReplyTo& caller, CallResult result) {
  port_.answer(caller.connection.shard, CallAnswerMail{caller, std::move(result)});
}

void ApplicationThread::handle(CallMail&& call) {
  auto admission = ledger_.admit(call, clock_.now());
  if (std::holds_alternative<CallLedger::Wait>(admission)) return;
  if (auto* known = std::get_if<CallResult>(&admission))
    return answer(call.caller, std::move(*known));
  const CallResult result = run_handler(call);
  answer(call.caller, result);
  for (const ReplyTo& repeat : ledger_.finished(call, result, clock_.now())) answer(repeat, result);
}

CallResult ApplicationThread::run_handler(const CallMail& call) {
  const std::string& name = application_.table().row(call.handler).name;
  CallContext context(*this, call);
  auto outcome =
      guarded(call.correlation_id, name, [&] { return application_.call(call.handler, context); });
  if (!outcome) return CallError{Errc::internal, kFailed, {}};
  Error wrong;
  if (auto* error = std::get_if<CallError>(&*outcome)) {
    const bool own = !error->code.of_engine();
    const auto good = own ? check_own_code(error->code.text()) : Result<void>();
    if (good) return std::move(*error);
    wrong = good.error();
  } else {
    auto data = check_payload(std::get<std::string>(*outcome), JsonShape::any, "the answer");
    if (data) return std::move(*data);
    wrong = data.error();
  }
  log::error("handler '{}': {} (correlation id {})", name, wrong.detail,
             call.correlation_id.text());
  return CallError{Errc::internal, kFailed, {}};
}

void ApplicationThread::handle(HookMail&& hook) {
  const std::string name = Handlers::label(application_.table().row(hook.handler));
  auto verdict = guarded(hook.correlation_id, name, [&] { return application_.ask(hook); });
  if (hook.kind == HookKind::disconnect) return;
  HookAnswerMail said{hook.caller, Error{Errc::internal, kFailed}};
  if (verdict) said.verdict = std::move(*verdict);
  port_.answer(hook.caller.connection.shard, std::move(said));
}

}  // namespace ringcast
