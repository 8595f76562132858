// For C++ applications: events written in their own transaction, over their own libpq connection.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "message/envelope.hpp"
#include "message/uuid.hpp"

namespace ringcast::pg {

// One event, with the fields of ringcast.create_outbox_event() (docs/writing-rows.md). Views: what
// they show lives until the call ends.
struct OutboxEvent {
  std::string_view tenant_id;
  std::string_view aggregate_type;
  std::string_view aggregate_id;
  std::string_view event_type;
  std::string_view payload;              // a JSON object, which goes out as it stands
  std::optional<std::string_view> room;  // none: the tenant's and its module's
  std::optional<WallTime> occurred_at;   // none: when the database inserts it
  std::optional<Uuid> event_id;          // none: made here
  std::string_view exclude_user;         // empty: nobody
  std::string_view conflation_key;       // empty: none
  std::string_view headers;              // a JSON object; empty: none
  // Takes an advisory lock on the aggregate until the transaction ends, so that the commits of its
  // writers have an order; not needed where they lock a row of their own first.
  bool lock_aggregate = false;
};

// Inserts the events in their order in one statement and returns their ids. Every rule of the
// engine is applied first, so that nothing commits that it would fail; the error names event and
// field (`events[2].tenantId: ...`) and nothing was sent then. A connection that is in no
// transaction is refused. After an error of the server the transaction can only be rolled back.
// `limits` are those of the daemon's configuration. Blocks. Thread: the connection's.
[[nodiscard]] Result<std::vector<Uuid>> create_outbox_events(PGconn* connection,
                                                             std::span<const OutboxEvent> events,
                                                             const EnvelopeLimits& limits = {});

[[nodiscard]] Result<Uuid> create_outbox_event(PGconn* connection, const OutboxEvent& event,
                                               const EnvelopeLimits& limits = {});

}  // namespace ringcast::pg
