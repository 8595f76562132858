// Whatever a body of the server API is, each publication in it is JSON of its own or an error.
#include <simdjson.h>

#include <cstdint>
#include <string_view>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "protocol/server_api.hpp"

namespace {

using namespace ringcast;

constexpr std::size_t kMost = 64;

void check_publish(const protocol::PublishBody& publish) {
  static simdjson::dom::parser parser;
  ensure(parser.parse(*publish.data).error() == simdjson::SUCCESS, "a payload is JSON");
  ensure(publish.data->find_first_of("\r\n") == std::string::npos, "a payload is one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto batch = protocol::decode_batch_body(body, kMost)) {
    ensure(!batch->empty() && batch->size() <= kMost, "a batch is bounded");
    for (const auto& publication : *batch) {
      if (!publication) continue;
      ensure(check_room(publication->room).ok(), "a published room is checked");
      check_publish(*publication);
    }
  }
  if (const auto broadcast = protocol::decode_broadcast_body(body, kMost)) {
    for (const std::string& room : broadcast->rooms)
      ensure(check_room(room).ok(), "a published room is checked");
    check_publish(broadcast->publish);
  }
  if (const auto history = protocol::decode_history_body(body, kMost))
    ensure(history->limit >= 1 && history->limit <= kMost, "a page is bounded");
  if (const auto rooms = protocol::decode_rooms_body(body, kMost))
    ensure(rooms->limit >= 1 && rooms->limit <= kMost, "a page is bounded");
  if (const auto kick = protocol::decode_kick_body(body, protocol::KickFrom::room))
    ensure(check_part(kick->user, "user").ok(), "a user is checked");
  return 0;
}
