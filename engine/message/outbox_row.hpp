// A row of the outbox, as a store read it and before anybody has judged it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "message/event.hpp"

namespace ringcast {

// Text fields are as the application wrote them: envelope.hpp decides whether they are good. They
// lie in the memory of the row's Window.
struct OutboxRow {
  enum class Kind : std::uint8_t { envelope = 0, plain = 1 };

  std::int64_t id = 0;
  Offset offset = 0;  // its position: fixed, the same on every node and after every crash
  std::optional<Uuid> event_id;
  std::string_view event_id_text;  // where it is not a UUID: what it is instead
  Kind kind = Kind::envelope;
  std::int64_t version = 1;
  std::string_view tenant_id;
  std::string_view aggregate_type;
  std::string_view aggregate_id;
  std::string_view event_type;
  std::optional<std::string_view> room;  // none: the tenant's and its module's; else this one alone
  std::string_view exclude_user;
  std::string_view conflation_key;
  std::optional<WallTime> occurred_at;  // none: not a time that RFC 3339 can write
  WallTime written{};                   // when it was inserted, by the store's clock
  std::string_view payload;         // empty if payload_bytes is above the limit: it is not fetched
  std::uint64_t payload_bytes = 0;  // what the table holds
  std::int64_t redrive_of = 0;      // the failed row that it is a copy of; 0: none
};

// A row that can not be delivered, and why. Its neighbours go on.
struct FailedRow {
  std::int64_t id = 0;
  std::string event_id;
  std::string reason;  // one of a few words: kFailReasons in metrics/source_metrics.hpp
  std::string error;   // the sentence that names the field
  Offset offset = 0;   // of the row
  Offset hold_at = 0;  // its place among the rows that wait in its aggregate; 0: it is in no hold
};

// What makes a row one of kind `envelope` instead: only dev mode inserts such rows itself.
struct EnvelopeKey {
  std::string tenant_id;
  std::string aggregate_type;
  std::string aggregate_id;
};

// A publish into a `store` room, on its way into the outbox as a row of kind `plain`.
struct PlainRow {
  Uuid event_id;
  std::string room;
  std::string event_type;
  Payload data;
  std::string exclude_user;
  std::string conflation_key;
  std::string user;                     // who publishes; empty: the server API
  std::string idempotency_key;          // empty: none
  bool id_given = false;                // the publisher chose event_id, so it deduplicates too
  std::optional<EnvelopeKey> envelope;  // then `room` is empty
};

// What became of it, once committed.
struct Appended {
  Uuid id;                       // of a repeat: that of the first
  std::optional<Offset> offset;  // where it exists by the commit (SQLite)
  Epoch epoch;                   // empty without offset
};

}  // namespace ringcast
