// The native protocol, server to client: each message as JSON, appended to `out`. The order of
// fields is fixed and is the one that each comment shows; `?` marks fields that may be absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "message/call.hpp"
#include "message/event.hpp"
#include "message/gap_reason.hpp"
#include "message/uuid.hpp"

namespace ringcast::protocol {

// The JSON text of a client message's `id`, which its answer repeats; empty: none.
using ReplyId = std::string_view;

// {"type":T,"room":R,"offset":n?,"id":…,"time":…,"data":…}; no offset if it is 0.
void append_event(std::string& out, const Event& event);

struct ConnectedFrame {
  std::string_view session;
  std::string_view user;         // empty: anonymous, no field
  Millis ping_interval{};        // how often the server pings; 0: no field
  std::optional<WallTime> ends;  // when the token expires
};
// {"type":"connected","protocol":"ringcast.v1","session":S,"user":U?,"pingIntervalMs":n?,
//  "expiresAt":time?}
void append_connected(std::string& out, const ConnectedFrame& frame);

struct SubscribedFrame {
  std::string_view room;
  Offset offset = 0;              // of a namespace without history: 0 and no epoch
  std::string_view epoch;         // empty: neither `offset` nor `epoch` is sent
  std::optional<bool> recovered;  // only as the answer to `recover`, or when the epoch changed
};
// {"type":"subscribed","room":R,"offset":n?,"epoch":e?,"recovered":b?,"id":…?}
void append_subscribed(std::string& out, const SubscribedFrame& frame, ReplyId id);

// {"type":"unsubscribed","room":R,"reason":…?,"id":…?}; an empty reason is absent.
void append_unsubscribed(std::string& out, std::string_view room, std::string_view reason,
                         ReplyId id);

struct PublishedFrame {
  std::string_view room;
  Uuid event_id;
  Offset offset = 0;       // 0: not known yet, or the namespace has none
  std::string_view epoch;  // empty: not sent; servers get it
};
// {"type":"published","room":R,"id":…,"eventId":…,"offset":n?,"epoch":e?}
// `id` repeats the request's; where that had none, it is the event's, as `eventId` always is.
void append_published(std::string& out, const PublishedFrame& frame, ReplyId id);

// {"type":"pong","id":…?}
void append_pong(std::string& out, ReplyId id);

// {"type":"auth","expiresAt":time?,"id":…?}: the token was renewed.
void append_renewed(std::string& out, const std::optional<WallTime>& ends, ReplyId id);

// {"type":"ack","id":…,"ok":true,"data":…}: the answer to a call.
void append_ack(std::string& out, std::string_view data, ReplyId id);

// {"type":"ack","id":…,"ok":false,"error":C,"message":…,"correlationId":…,"fields":{F:P,…}?}
void append_failed_ack(std::string& out, const CallError& error, const Uuid& correlation_id,
                       ReplyId id);

// {"type":"error","code":…,"message":…,"id":…?}
void append_error(std::string& out, const Error& error, ReplyId id);

struct GapFrame {
  std::string_view room;
  Offset from = 0;  // exclusive
  Offset to = 0;    // inclusive; 0: the room has no offsets
  GapReason reason = GapReason::overflow;
};
// {"type":"gap","room":R,"from":n?,"to":m?,"reason":…}
void append_gap(std::string& out, const GapFrame& frame);

// {"type":"position","epoch":e,"offset":n}
void append_position(std::string& out, const Position& position);

struct PresenceFrame {
  std::string_view room;
  std::optional<std::span<const std::string>> users;  // none: too many, `count` instead
  std::size_t count = 0;
  std::span<const std::string> joined;
  std::span<const std::string> left;
};
// {"type":"presence:update","room":R,"users":[…]|"count":n,"joined":[…],"left":[…],"id":…?}
// With an id it answers the one who joined or left; without, it goes to the room.
void append_presence_update(std::string& out, const PresenceFrame& frame, ReplyId id);

struct PresencePageFrame {
  std::string_view room;
  std::span<const std::string> users;
  std::size_t count = 0;   // of all pages
  std::string_view after;  // to ask for the next page with; empty: this is the last
};
// {"type":"presence:list","room":R,"users":[…],"count":n,"after":…?,"id":…?}
void append_presence_page(std::string& out, const PresencePageFrame& frame, ReplyId id);

}  // namespace ringcast::protocol
