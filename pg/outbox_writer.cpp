#include "pg/outbox_writer.hpp"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "message/json.hpp"
#include "message/outbox_row.hpp"
#include "message/timestamp.hpp"
#include "pg/params.hpp"
#include "pg/sqlstate.hpp"

namespace ringcast::pg {

namespace {

// As ringcast.create_outbox_event() locks; sorted, so that two writers of the same aggregates wait
// in one order and never in a circle.
constexpr const char* kLock = R"sql(
select pg_advisory_xact_lock(key) from (
  select distinct hashtextextended(concat_ws(chr(31), tenant, type, id), 7461) as key
  from unnest($1::text[], $2::text[], $3::text[]) as t(tenant, type, id) order by 1) k)sql";

// Not through the SQL function: its jsonb would write numbers and spaces anew.
constexpr const char* kInsert = R"sql(
insert into ringcast.outbox (event_id, tenant_id, aggregate_type, aggregate_id, event_type, room,
                             exclude_user, conflation_key, occurred_at, headers, payload)
select id, tenant, aggregate, aggregate_id, type, room, exclude_user, conflation_key,
       coalesce(at::timestamptz, clock_timestamp()), headers::jsonb, payload
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::bytea[])
     with ordinality as t(id, tenant, aggregate, aggregate_id, type, room, exclude_user,
                          conflation_key, at, headers, payload, place)
order by place)sql";

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};

Result<void> run(PGconn* connection, const char* sql, const Params& params) {
  const Params::View view = params.view();
  const std::unique_ptr<PGresult, Clear> result(
      PQexecParams(connection, sql, params.count(), nullptr, view.values.data(),
                   view.lengths.data(), view.formats.data(), 0));
  const auto status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
  const char* code = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  if (code == nullptr) return {Errc::unavailable, "PostgreSQL: the connection is lost"};
  // The primary text only: DETAIL repeats values of the row.
  return {errc_of(code),
          fmt::format("PostgreSQL: {} (SQLSTATE {})",
                      PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY), code)};
}

// Judges the event as the engine will when it reads the row.
Result<void> check(const OutboxEvent& event, const EnvelopeLimits& limits) {
  OutboxRow row;
  row.event_id = event.event_id.value_or(Uuid{});
  row.tenant_id = event.tenant_id;
  row.aggregate_type = event.aggregate_type;
  row.aggregate_id = event.aggregate_id;
  row.event_type = event.event_type;
  row.room = event.room;
  row.exclude_user = event.exclude_user;
  row.conflation_key = event.conflation_key;
  row.occurred_at = event.occurred_at.value_or(WallTime{});
  row.payload = event.payload;
  row.payload_bytes = event.payload.size();
  const auto judged = events_of(row, limits);
  if (const auto* failed = std::get_if<FailedRow>(&judged))
    return {Errc::validation, failed->error};
  if (event.headers.empty()) return {};
  return check_json(event.headers, JsonShape::object, "headers");
}

// Of all events, what one field has: the arrays of the statement.
template <class Field>
std::vector<std::string_view> column(std::span<const OutboxEvent> events, Field&& field) {
  std::vector<std::string_view> out;
  out.reserve(events.size());
  for (const OutboxEvent& event : events) out.push_back(field(event));
  return out;
}

Result<void> lock_aggregates(PGconn* connection, std::span<const OutboxEvent> events) {
  std::vector<OutboxEvent> locked;
  for (const OutboxEvent& event : events)
    if (event.lock_aggregate) locked.push_back(event);
  if (locked.empty()) return {};
  Params params;
  params.add_texts(column(locked, [](const OutboxEvent& e) { return e.tenant_id; }));
  params.add_texts(column(locked, [](const OutboxEvent& e) { return e.aggregate_type; }));
  params.add_texts(column(locked, [](const OutboxEvent& e) { return e.aggregate_id; }));
  return run(connection, kLock, params);
}

}  // namespace

Result<std::vector<Uuid>> create_outbox_events(PGconn* connection,
                                               std::span<const OutboxEvent> events,
                                               const EnvelopeLimits& limits) {
  for (std::size_t i = 0; i < events.size(); ++i)
    if (const auto checked = check(events[i], limits); !checked)
      return {checked.error().code, fmt::format("events[{}].{}", i, checked.error().detail)};
  if (PQtransactionStatus(connection) != PQTRANS_INTRANS)
    return {Errc::validation,
            "the connection is in no open transaction: BEGIN one, the event belongs to the change "
            "that it reports"};
  std::vector<Uuid> ids;
  std::vector<std::string> times;
  for (const OutboxEvent& event : events) {
    ids.push_back(event.event_id ? *event.event_id : Uuid::random());
    times.push_back(event.occurred_at ? timestamp(*event.occurred_at) : "");
  }
  if (events.empty()) return ids;
  if (auto locked = lock_aggregates(connection, events); !locked) return locked.error();
  using E = OutboxEvent;
  Params params;
  params.add_uuids(ids);
  params.add_texts(column(events, [](const E& e) { return e.tenant_id; }));
  params.add_texts(column(events, [](const E& e) { return e.aggregate_type; }));
  params.add_texts(column(events, [](const E& e) { return e.aggregate_id; }));
  params.add_texts(column(events, [](const E& e) { return e.event_type; }));
  params.add_texts(column(events, [](const E& e) { return e.room.value_or(""); }));
  params.add_texts(column(events, [](const E& e) { return e.exclude_user; }));
  params.add_texts(column(events, [](const E& e) { return e.conflation_key; }));
  params.add_texts(std::vector<std::string_view>(times.begin(), times.end()));
  params.add_texts(column(events, [](const E& e) { return e.headers; }));
  params.add_bytes(column(events, [](const E& e) { return e.payload; }));
  if (auto inserted = run(connection, kInsert, params); !inserted) return inserted.error();
  return ids;
}

Result<Uuid> create_outbox_event(PGconn* connection, const OutboxEvent& event,
                                 const EnvelopeLimits& limits) {
  auto ids = create_outbox_events(connection, {&event, 1}, limits);
  if (!ids) {
    // There is one event, whose number nobody needs to be told.
    constexpr std::string_view kFirst = "events[0].";
    std::string detail = ids.error().detail;
    if (detail.starts_with(kFirst)) detail.erase(0, kFirst.size());
    return {ids.error().code, std::move(detail)};
  }
  return ids->front();
}

}  // namespace ringcast::pg
