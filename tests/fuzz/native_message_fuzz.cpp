// Whatever a client says is a request or an error, and what is repeated to it is JSON again.
#include <simdjson.h>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "pieces.hpp"
#include "protocol/native.hpp"
#include "protocol/native_frames.hpp"

namespace {

using namespace ringcast;

// Not by check_payload(): an event may be nested one level deeper than what it carries.
void check_json(std::string_view text) {
  static simdjson::dom::parser parser;
  ensure(parser.parse(text).error() == simdjson::SUCCESS, "an answer is JSON");
}

struct Check {
  void operator()(const protocol::SubscribeRequest& request) const {
    ensure(check_room(request.room).ok(), "a subscribed room is checked");
    if (request.recover) ensure(request.recover->offset <= kOffsetMax, "an offset is checked");
  }
  void operator()(const protocol::UnsubscribeRequest& request) const {
    ensure(check_room(request.room).ok(), "a room is checked");
  }
  void operator()(const protocol::PublishRequest& request) const {
    ensure(check_room(request.room).ok(), "a published room is checked");
    Event event;
    event.room = request.room;
    event.type = request.event;
    event.data = *request.data;
    std::string out;
    protocol::append_event(out, event);
    check_json(out);
    ensure(out.find_first_of("\r\n") == std::string::npos, "an event is one line");
  }
  void operator()(const protocol::PresenceRequest& request) const {
    ensure(request.limit >= 1 && request.limit <= protocol::kPresencePageMax, "a page is bounded");
  }
  void operator()(const protocol::PingRequest&) const {}
  void operator()(const protocol::AuthRequest& request) const {
    ensure(!request.token.empty(), "a token is not empty");
  }
  void operator()(const protocol::CallRequest& request) const {
    ensure(check_call_event(request.event).ok(), "a call's name is checked");
    std::string out;
    protocol::append_ack(out, *request.data, "1");
    check_json(out);
    ensure(out.find_first_of("\r\n") == std::string::npos, "an ack is one line");
    out.clear();
    const CallError error{Errc::validation, "no", {{std::string(request.event), "is wrong"}}};
    protocol::append_failed_ack(out, error, {}, "1");
    check_json(out);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const protocol::NativeMessage message = protocol::decode_native(text_of(data, size));
  std::string out;
  if (message.request.ok()) {
    std::visit(Check{}, *message.request);
    protocol::append_pong(out, message.id);
  } else {
    ensure(!message.request.error().detail.empty(), "an error says what is wrong");
    protocol::append_error(out, message.request.error(), message.id);
  }
  check_json(out);
  return 0;
}
