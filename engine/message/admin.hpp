// What the server API and ports ask beyond publishing, and what they are answered. Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "message/event.hpp"
#include "message/reply_to.hpp"

namespace ringcast {

// The events of a room after a position; without one, its newest.
struct HistoryAsk {
  std::string room;
  std::optional<Position> after;
  std::uint32_t limit = 0;
};

// Rooms that begin with `prefix`, ordered by name, those after `after`.
struct RoomsAsk {
  std::string prefix;
  std::string after;  // empty: from the first
  std::uint32_t limit = 0;
};

// All connections of a user end; with a room, his subscriptions to it.
struct KickAsk {
  std::string user;
  std::string room;  // empty: the connections
};

// How much of everything there is.
struct CountsAsk {};

using AdminAsk = std::variant<HistoryAsk, RoomsAsk, KickAsk, CountsAsk>;

struct HistoryPage {
  std::string room;
  std::vector<EventRef> events;  // oldest first
  std::optional<Position> top;   // none: the room does not exist, or not by now
  bool complete = true;          // false: events between `after` and the first one here are gone
  bool more = false;
};

struct RoomRow {
  std::string room;
  std::uint32_t subscribers = 0;
  std::uint32_t history = 0;   // events that are held
  std::optional<Position> at;  // of the newest; none: its namespace has no history
};

struct RoomsPage {
  std::vector<RoomRow> rooms;
  bool more = false;
};

struct Kicked {
  std::uint32_t count = 0;
};

struct Counts {
  std::uint64_t connections = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t rooms = 0;
};

// In the order of AdminAsk.
using AdminAnswer = std::variant<HistoryPage, RoomsPage, Kicked, Counts>;

// ---- how they travel ----

// To any shard: it asks all whom it concerns and answers once, with an AdminAnswerMail.
struct AdminMail {
  ReplyTo reply_to;
  std::shared_ptr<const AdminAsk> ask;
};

// From the shard that gathers the answer, to each that has a part of it.
struct AdminPartMail {
  ShardIndex gatherer;
  std::uint64_t gathering = 0;
  std::shared_ptr<const AdminAsk> ask;
};
struct AdminPartAnswerMail {
  std::uint64_t gathering = 0;
  Result<std::unique_ptr<AdminAnswer>> outcome = Error{};
};

// To an AdminMail.
struct AdminAnswerMail {
  ReplyTo reply_to;
  Result<std::unique_ptr<AdminAnswer>> outcome = Error{};
};

}  // namespace ringcast
