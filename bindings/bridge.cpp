#include "bindings/bridge.hpp"

#include <fmt/format.h>

#include <utility>

#include "auth/grants.hpp"
#include "bindings/context_type.hpp"
#include "bindings/message_type.hpp"
#include "bindings/pages.hpp"
#include "message/json.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

// The clock is looked at after so many messages; fewer when their handlers are slow.
constexpr std::size_t kChunk = 64;

py::object text_or_none(std::string_view text) {
  if (text.empty()) return py::none();
  return py::str(text.data(), text.size());
}

}  // namespace

Bridge::Bridge(Port& port, const Config& config, const Handlers& handlers, const py::object& owner)
    : port_(port),
      config_(config),
      callers_(port, config, handlers),
      answered_(owner.attr("_answered")),
      refused_(owner.attr("_refused")),
      joined_(owner.attr("_joined")),
      not_joined_(owner.attr("_not_joined")),
      restarted_(owner.attr("_restarted")),
      missed_(owner.attr("_missed")),
      publish_failed_(owner.attr("_publish_failed")),
      call_(owner.attr("_call")),
      hook_(owner.attr("_hook")),
      flush_(owner.attr("_flush")),
      call_soon_(owner.attr("_loop").attr("call_soon")),
      thread_(owner.attr("_thread").cast<unsigned long>()) {
  for (std::uint32_t i = 0; i < handlers.size(); ++i)
    events_.push_back(py::str(handlers.row({i}).name));
}

// ---- what comes ---------------------------------------------------------------------------------

bool Bridge::drain(std::size_t max, Nanos time) {
  turns_ = true;
  asked_at_.reset();
  Instant now = clock_.now();
  const Instant end = now + time;
  bool more = true;
  std::size_t chunk = kChunk;
  for (std::size_t taken = 0; more && taken < max && now < end; taken += chunk) {
    more = port_.drain(chunk, *this);
    hand_over_all();
    const Instant after = clock_.now();
    if (after - now > time / 8) chunk = 1;
    now = after;
    if (leaves_) break;
  }
  turns_ = false;
  asked_at_.reset();
  port_.flush();
  if (leaves_) {
    const py::error_already_set error = *std::exchange(leaves_, std::nullopt);
    throw error;
  }
  return more;
}

Bridge::Subscriber* Bridge::find(SubscriptionId id) {
  if (id.index >= subscribers_.size()) return nullptr;
  Subscriber& found = subscribers_[id.index];
  return found.generation == id.generation && found.sink ? &found : nullptr;
}

void Bridge::event(SubscriptionId id, EventRef event) {
  Subscriber* to = find(id);
  if (to == nullptr) return;
  to->octets += event->data.size();
  PyObject* message = new_message(std::move(event), to->room.ptr(), to->epoch.ptr());
  if (message == nullptr) return report();
  if (!to->batch) {
    to->batch = py::list();
    full_.push_back(id.index);
  }
  if (PyList_Append(to->batch.ptr(), message) != 0) report();
  Py_DECREF(message);
}

void Bridge::hand_over(Subscriber& subscriber) {
  if (!subscriber.batch) return;
  const py::object batch = std::exchange(subscriber.batch, py::object());
  const py::object sink = subscriber.sink;  // it may end in the call
  const std::size_t octets = std::exchange(subscriber.octets, 0);
  if (sink) call(sink, batch, py::int_(octets));
}

void Bridge::hand_over_all() {
  // A sink may subscribe, so that subscribers_ moves.
  for (std::size_t i = 0; i < full_.size(); ++i) hand_over(subscribers_[full_[i]]);
  full_.clear();
}

void Bridge::subscribed(SubscriptionId id, const SubscribedMail& answer) {
  Subscriber* to = find(id);
  if (to == nullptr) return;
  if (answer.error) {
    const std::string_view code = error_code(answer.error->code).code;
    *to = Subscriber{to->generation, {}, {}, {}, {}, 0};
    call(not_joined_, py::int_(number_of(id)), text_or_none(code),
         text_or_none(answer.error->detail));
    return;
  }
  const bool has_position = answer.numbered && to->room;
  if (has_position) to->epoch = py::str(answer.at.epoch);
  py::object recovered = py::none();
  if (answer.recovered) recovered = py::bool_(*answer.recovered);
  call(joined_, py::int_(number_of(id)), has_position ? to->epoch : py::object(py::none()),
       py::int_(answer.at.offset), recovered);
}

void Bridge::gap(SubscriptionId id, const GapMail& gap) {
  Subscriber* to = find(id);
  if (to == nullptr) return;
  hand_over(*to);
  call(missed_, py::int_(number_of(id)), text_or_none(gap.room), py::int_(gap.from),
       py::int_(gap.to), text_or_none(gap_reason_name(gap.reason)));
}

void Bridge::epoch_changed(SubscriptionId id, const EpochMail& mail) {
  Subscriber* to = find(id);
  if (to == nullptr) return;
  if (to->batch) {
    hand_over(*to);
    to = find(id);  // it may have ended in the call, or moved
    if (to == nullptr) return;
  }
  if (to->room) to->epoch = py::str(mail.at.epoch);
  call(restarted_, py::int_(number_of(id)), text_or_none(mail.room));
}

void Bridge::published(std::uint64_t tag, const PublishedMail& answer) {
  if (tag == ReplyTo::kErrorsOnly) {
    const Error& error = answer.outcome.error();
    return call(publish_failed_, text_or_none(answer.room),
                text_or_none(error_code(error.code).code), text_or_none(error.detail));
  }
  if (!answer.outcome) {
    const Error& error = answer.outcome.error();
    return call(refused_, py::int_(tag), text_or_none(error_code(error.code).code),
                text_or_none(error.detail));
  }
  const Appended& done = *answer.outcome;
  py::object offset = py::none();
  if (done.offset) offset = py::int_(*done.offset);
  call(answered_, py::int_(tag), py::str(done.id.text()), offset, text_or_none(done.epoch));
}

void Bridge::presence_list(std::uint64_t tag, const PresenceListMail& answer) {
  py::list users;
  for (const std::string& user : answer.users) users.append(py::str(user));
  call(answered_, py::int_(tag), users, py::int_(answer.count), text_or_none(answer.next));
}

void Bridge::mail(ShardMail&& mail) {
  if (auto* call = std::get_if<CallMail>(&mail)) return called(std::move(*call));
  if (auto* hook = std::get_if<HookMail>(&mail)) return asked(*hook);
  if (auto* answer = std::get_if<AdminAnswerMail>(&mail)) administered(std::move(*answer));
}

void Bridge::called(CallMail&& mail) {
  const auto asked = callers_.take(std::move(mail));
  if (!asked) return;
  const CallMail& taken = *asked->call;
  const std::uint32_t handler = taken.handler.value;
  call(call_, py::int_(asked->number), py::int_(handler), context_of(taken, events_[handler]),
       py::bytes(*taken.data));
}

void Bridge::asked(const HookMail& mail) {
  const std::uint64_t number = callers_.take(mail);
  if (number == 0 && mail.kind != HookKind::disconnect) return;
  call(hook_, py::int_(number), py::int_(mail.handler.value),
       py::bool_(mail.kind == HookKind::session_token), context_of(mail), py::str(mail.subject));
}

void Bridge::administered(AdminAnswerMail&& mail) {
  port_.answered();
  const std::uint64_t tag = mail.reply_to.tag;
  if (!mail.outcome) {
    const Error& error = mail.outcome.error();
    return call(refused_, py::int_(tag), text_or_none(error_code(error.code).code),
                text_or_none(error.detail));
  }
  py::list arguments;
  arguments.append(py::int_(tag));
  for (const py::handle value : values_of(**mail.outcome)) arguments.append(value);
  PyObject* result = PyObject_CallObject(answered_.ptr(), py::tuple(arguments).ptr());
  if (result == nullptr) return report();
  Py_DECREF(result);
}

template <class... Arguments>
void Bridge::call(const py::object& function, const Arguments&... arguments) {
  PyObject* values[] = {arguments.ptr()...};
  PyObject* result = PyObject_Vectorcall(function.ptr(), values, sizeof...(Arguments), nullptr);
  if (result == nullptr) return report();
  Py_DECREF(result);
}

void Bridge::report() {
  py::error_already_set error;
  if (error.matches(PyExc_KeyboardInterrupt) || error.matches(PyExc_SystemExit)) {
    leaves_.emplace(std::move(error));
    return;
  }
  error.discard_as_unraisable("ringcast");
}

// ---- what is asked ------------------------------------------------------------------------------

// As a shard's tick: all that is asked before the engine is woken happens at one time.
WallTime Bridge::wall() {
  if (PyThread_get_thread_ident() != thread_) return clock_.wall();
  if (!asked_at_) asked_at_ = clock_.wall();
  return *asked_at_;
}

void Bridge::flush() {
  flush_due_ = false;
  asked_at_.reset();
  port_.flush();
}

void Bridge::flush_soon() {
  if (PyThread_get_thread_ident() != thread_) return port_.flush();
  if (turns_ || std::exchange(flush_due_, true)) return;
  if (PyObject* handle = PyObject_CallOneArg(call_soon_.ptr(), flush_.ptr()); handle != nullptr) {
    Py_DECREF(handle);
    return;
  }
  flush();  // the loop is closed
  report();
}

// At once where it was refused: a queue that is full is emptied by those who wake.
void Bridge::flush_when(bool queued) {
  if (queued)
    flush_soon();
  else
    flush();
}

void Bridge::answer(std::uint64_t number, CallResult result) {
  callers_.answer(number, std::move(result));
  flush_soon();
}

void Bridge::decide(std::uint64_t number, Result<std::shared_ptr<const Identity>> verdict) {
  callers_.decide(number, std::move(verdict));
  flush_soon();
}

Result<Asked> Bridge::publish(const Publication& ask, std::uint64_t tag) {
  if (ask.data.size() > config_.limits.body_bytes_max)
    return {Errc::payload_too_large,
            fmt::format("data: {} octets, at most {} (limits.body_bytes_max)", ask.data.size(),
                        config_.limits.body_bytes_max)};
  if (auto good = check_json(ask.data, JsonShape::any, "data"); !good) return good.error();
  PublishAsk made;
  made.room = ask.room;
  made.type = ask.event;
  made.data = ask.data;
  made.key = ask.key;
  made.idempotency_key = ask.idempotency_key;
  made.exclude_user = ask.exclude_user;
  if (!ask.id.empty()) {
    made.id = Uuid::parse(ask.id);
    if (!made.id) return {Errc::validation, "id: expected a UUID"};
  }
  auto sent = port_.publish(std::move(made), wall(), tag);
  flush_when(sent && *sent == Asked::queued);
  return sent;
}

Result<std::uint64_t> Bridge::subscribe(std::string_view room, std::optional<Position> recover,
                                        py::object sink) {
  const auto id = port_.subscribe(room, std::move(recover));
  flush_when(id.ok());
  if (!id) return id.error();
  if (subscribers_.size() <= (*id).index) subscribers_.resize((*id).index + 1);
  Subscriber& made = subscribers_[(*id).index];
  // What lay there for the one before goes with it.
  made = Subscriber{(*id).generation, {}, {}, std::move(sink), {}, 0};
  if (!is_pattern(room)) made.room = py::str(room.data(), room.size());
  return number_of(*id);
}

void Bridge::unsubscribe(std::uint64_t number) {
  const SubscriptionId id = slot_of(number);
  Subscriber* gone = find(id);
  if (gone == nullptr) return;
  *gone = Subscriber{gone->generation, {}, {}, {}, {}, 0};
  port_.unsubscribe(id);
  flush_soon();
}

Result<void> Bridge::administer(AdminAsk ask, std::uint64_t tag) {
  // Whichever shard is asked gathers what the others say.
  auto sent = port_.ask(ShardIndex{0}, AdminMail{port_.reply_to(tag),
                                                 std::make_shared<const AdminAsk>(std::move(ask))});
  flush_when(sent.ok());
  return sent;
}

Result<void> Bridge::list_viewers(std::string_view room, std::string_view after,
                                  std::uint32_t limit, std::uint64_t tag) {
  auto sent = port_.list_viewers(room, after, limit, tag);
  flush_when(sent.ok());
  return sent;
}

}  // namespace ringcast::bindings
