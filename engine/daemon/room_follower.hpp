// `ringcast sub`: prints the events of rooms, across reconnects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "daemon/server_message.hpp"
#include "daemon/server_url.hpp"
#include "daemon/websocket_client.hpp"
#include "message/event.hpp"
#include "store/backoff.hpp"

namespace ringcast {

// EPOCH.OFFSET, as `ringcast sub` prints it. Thread: any.
[[nodiscard]] Result<Position> parse_position(std::string_view text);

struct SubscribeOptions {
  enum class Output { human, json };

  std::vector<std::string> rooms;
  ServerUrl url;
  std::string token;                // empty: anonymous
  std::optional<Position> recover;  // where to begin, in every room
  std::uint64_t count = 0;          // end after so many events; 0: never
  Output output = Output::human;
};

// Follows rooms. Events go to standard output, a line each: `ROOM EPOCH.OFFSET TYPE DATA`, or the
// daemon's own JSON, then also for what it says about rooms (subscribed, gap, ...). For people,
// that goes to standard error. Each event is printed once, though it may be sent twice.
//
// Thread: the only one. Lives while the command runs. After the first connection a lost one is
// tried again without end, with Backoff, from the last position of each room.
class RoomFollower final {
 public:
  explicit RoomFollower(SubscribeOptions options);

  // Returns the exit code.
  [[nodiscard]] int run();

 private:
  struct Room {
    std::string name;
    std::optional<Position> position;
    enum class State { asked, subscribed, left } state = State::asked;
  };
  enum class End { none, counted, refused, lost };

  End follow(WebsocketClient& client);
  Result<void> subscribe(WebsocketClient& client);
  End take(const ServerMessage& message, std::string_view json);
  End take_subscribed(Room& room, const ServerMessage& message);
  End take_event(Room& room, const ServerMessage& message, std::string_view json);
  End take_error(const ServerMessage& message);
  void take_position(const ServerMessage& message);
  End closed(const WebsocketClient::Received& received);
  Room* find(std::string_view name);
  void print(std::string_view line);
  // For people: what happened, on standard error.
  void note(std::string_view text);

  SubscribeOptions options_;
  std::vector<Room> rooms_;
  std::uint64_t printed_ = 0;
  Backoff backoff_{{Millis{250}, Millis{10'000}}, random_seed()};
};

}  // namespace ringcast
