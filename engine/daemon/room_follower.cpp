#include "daemon/room_follower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>
#include <utility>

#include "daemon/exit_code.hpp"
#include "daemon/printable.hpp"
#include "message/close_reason.hpp"
#include "message/json.hpp"

namespace ringcast {

namespace {

// Added to the daemon's ping interval: a ping may be late, a daemon that is gone is not waited for.
constexpr std::chrono::seconds kPingLate{10};

std::string text_of(const Position& position) {
  return fmt::format("{}.{}", position.epoch, position.offset);
}

bool may_come_back(std::uint16_t code) {
  for (auto reason = CloseReason::normal; reason <= CloseReason::kicked;
       reason = static_cast<CloseReason>(static_cast<int>(reason) + 1))
    if (close_row(reason).code == code) return close_row(reason).reconnect;
  return true;
}

}  // namespace

Result<Position> parse_position(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  Position position;
  if (dot != std::string_view::npos && dot != 0) {
    position.epoch = text.substr(0, dot);
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + dot + 1, end, position.offset);
    if (read.ec == std::errc{} && read.ptr == end && position.offset <= kOffsetMax) return position;
  }
  return {Errc::validation, "--recover: expected EPOCH.OFFSET, as an earlier run printed it"};
}

RoomFollower::RoomFollower(SubscribeOptions options) : options_(std::move(options)) {
  for (std::string& name : options_.rooms)
    if (find(name) == nullptr) rooms_.push_back({std::move(name), options_.recover});
}

int RoomFollower::run() {
  for (bool connected_before = false;;) {
    auto client = WebsocketClient::connect(options_.url, options_.token);
    if (!client) {
      note(client.error().detail);
      if (!connected_before || client.error().code != Errc::unavailable) return kExitFailed;
    } else {
      connected_before = true;
      const End end = follow(*client);
      if (end == End::counted) return kExitOk;
      if (end == End::refused) return kExitFailed;
    }
    const auto wait = backoff_.next();
    note(fmt::format("trying again in {} ms", wait.count()));
    std::this_thread::sleep_for(wait);
  }
}

RoomFollower::End RoomFollower::follow(WebsocketClient& client) {
  if (auto sent = subscribe(client); !sent) {
    note(sent.error().detail);
    return End::lost;
  }
  for (;;) {
    const auto received = client.receive();
    if (!received) {
      note(received.error().detail);
      return End::lost;
    }
    if (!received->text) return closed(*received);
    const auto message = decode_server_message(*received->text);
    if (!message) {
      note(message.error().detail);
      continue;
    }
    if (message->ping_interval_ms != 0)
      if (auto set = client.set_silence_max(Millis(message->ping_interval_ms) + kPingLate); !set)
        note(set.error().detail);
    if (const End end = take(*message, *received->text); end != End::none) return end;
  }
}

// The answer's id is the room's number, from 1.
Result<void> RoomFollower::subscribe(WebsocketClient& client) {
  for (std::size_t i = 0; i < rooms_.size(); ++i) {
    if (rooms_[i].state == Room::State::left) continue;
    rooms_[i].state = Room::State::asked;
    std::string json = fmt::format("{{\"type\":\"subscribe\",\"id\":{}", i + 1);
    append_json_field(json, "room", rooms_[i].name);
    if (const auto& position = rooms_[i].position) {
      json += fmt::format(",\"recover\":{{\"offset\":{}", position->offset);
      append_json_field(json, "epoch", position->epoch);
      json += '}';
    }
    if (auto sent = client.send_text(json + '}'); !sent) return sent.error();
  }
  return {};
}

RoomFollower::End RoomFollower::take(const ServerMessage& message, std::string_view json) {
  Room* room = find(message.room);
  if (room != nullptr && message.is_event()) return take_event(*room, message, json);
  if (message.type == "position") take_position(message);
  const bool is_error = message.type == "error";
  if (room == nullptr && !is_error) return End::none;
  if (options_.output == SubscribeOptions::Output::json) print(json);
  if (is_error) return take_error(message);
  if (message.type == "subscribed") return take_subscribed(*room, message);
  if (message.type == "gap") {
    note(fmt::format("{}: gap from {} to {}: {}", room->name, message.from, message.to,
                     message.reason));
    if (room->position) room->position->offset = std::max(room->position->offset, message.to);
  }
  if (message.type == "unsubscribed") {
    note(fmt::format("{}: unsubscribed by the daemon: {}", room->name, message.reason));
    room->state = Room::State::left;
    const auto left = [](const Room& one) { return one.state == Room::State::left; };
    if (std::all_of(rooms_.begin(), rooms_.end(), left)) return End::refused;
  }
  return End::none;
}

RoomFollower::End RoomFollower::take_subscribed(Room& room, const ServerMessage& message) {
  const bool asked = room.position.has_value();
  room.state = Room::State::subscribed;
  room.position.reset();
  if (!message.epoch.empty()) room.position = Position{message.epoch, message.offset};
  const std::string at = room.position ? " at " + text_of(*room.position) : "";
  if (message.recovered == true)
    note(fmt::format("{}: recovered: all since {} follow", room.name, text_of(*room.position)));
  else if (asked || message.recovered == false)
    note(fmt::format("{}: not recovered: events may be missed; subscribed{}", room.name, at));
  else
    note(fmt::format("{}: subscribed{}", room.name, at));
  const auto asked_still = [](const Room& one) { return one.state == Room::State::asked; };
  if (std::none_of(rooms_.begin(), rooms_.end(), asked_still)) backoff_.succeeded();
  return End::none;
}

RoomFollower::End RoomFollower::take_event(Room& room, const ServerMessage& message,
                                           std::string_view json) {
  std::string at = "-";
  if (room.position && message.offset != 0) {
    if (message.offset <= room.position->offset) return End::none;  // sent twice
    room.position->offset = message.offset;
    at = text_of(*room.position);
  }
  print(options_.output == SubscribeOptions::Output::json
            ? std::string(json)
            : fmt::format("{} {} {} {}", room.name, at, message.type, message.data));
  return ++printed_ == options_.count ? End::counted : End::none;
}

RoomFollower::End RoomFollower::take_error(const ServerMessage& message) {
  const bool of_room = message.id != 0 && message.id <= rooms_.size();
  note(fmt::format("{}{}: {}", of_room ? rooms_[message.id - 1].name + ": " : "", message.code,
                   message.message));
  if (!of_room) return End::none;
  return message.code == error_code(Errc::unavailable).code ? End::lost : End::refused;
}

// All rooms of the source's epoch are complete up to there.
void RoomFollower::take_position(const ServerMessage& message) {
  for (Room& room : rooms_)
    if (room.position && room.position->epoch == message.epoch)
      room.position->offset = std::max(room.position->offset, message.offset);
}

RoomFollower::End RoomFollower::closed(const WebsocketClient::Received& received) {
  note(fmt::format("closed by the daemon: {} {}", received.close_code, received.close_text));
  return may_come_back(received.close_code) ? End::lost : End::refused;
}

RoomFollower::Room* RoomFollower::find(std::string_view name) {
  const auto found = std::find_if(rooms_.begin(), rooms_.end(),
                                  [&](const Room& room) { return room.name == name; });
  return found == rooms_.end() ? nullptr : &*found;
}

// A line is out before the next message is read, also into a pipe.
void RoomFollower::print(std::string_view line) {
  std::fputs((printable(line) + '\n').c_str(), stdout);
  std::fflush(stdout);
}

void RoomFollower::note(std::string_view text) {
  std::fputs((printable(text) + '\n').c_str(), stderr);
}

}  // namespace ringcast
