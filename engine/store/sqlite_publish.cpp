#include "store/sqlite_publish.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>

namespace ringcast {

namespace {

constexpr std::int64_t kExpiredKeysMax = 1'000;  // forgotten in one transaction

// The two kinds of key share a table and must not be taken for each other.
std::string id_key(const PlainRow& row) { return "id:" + row.event_id.text(); }
std::string idempotency_key(const PlainRow& row) { return "key:" + row.idempotency_key; }

// The transaction's trouble, in the word for one who publishes.
Error unavailable(const Error& error) { return {Errc::unavailable, error.detail}; }

// Where its keys hold: a row that goes to a tenant's rooms has none of its own.
std::string key_room(const PlainRow& row) {
  return row.envelope ? "tenant:" + row.envelope->tenant_id : row.room;
}

bool has_key(const PlainRow& row) { return row.id_given || !row.idempotency_key.empty(); }

void bind_or_null(SqliteStatement& statement, int parameter, std::string_view value) {
  if (value.empty())
    statement.bind_null(parameter);
  else
    statement.bind(parameter, value);
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<std::unique_ptr<SqlitePublish>> SqlitePublish::prepare(SqliteConnection& connection,
                                                              const Config& config) {
  std::unique_ptr<SqlitePublish> made(new SqlitePublish(connection, config));
  const std::pair<SqliteStatement*, std::string_view> statements[] = {
      {&made->insert_,
       "insert into ringcast_outbox(event_id, kind, event_type, room, exclude_user,"
       " conflation_key, payload, tenant_id, aggregate_type, aggregate_id)"
       " values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
      {&made->find_,
       "select k.event_id, k.outbox_id, o.id is not null, o.event_type, o.exclude_user,"
       " o.conflation_key, o.payload from ringcast_publish_key k"
       " left join ringcast_outbox o on o.id = k.outbox_id"
       " where k.room = ?1 and k.user_id = ?2 and k.key = ?3 and k.at_ms > ?4"},
      {&made->keep_,
       "insert or replace into ringcast_publish_key(room, user_id, key, outbox_id, event_id, at_ms)"
       " values(?1, ?2, ?3, ?4, ?5, ?6)"},
      {&made->expire_,
       "delete from ringcast_publish_key where (room, user_id, key) in"
       " (select room, user_id, key from ringcast_publish_key where at_ms <= ?1 limit ?2)"},
      {&made->trim_,
       "delete from ringcast_publish_key where (room, user_id, key) in"
       " (select room, user_id, key from ringcast_publish_key where room = ?1"
       "  order by at_ms desc, outbox_id desc limit -1 offset ?2)"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = connection.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(prepared).value();
  }
  return made;
}

Result<std::vector<Result<Appended>>> SqlitePublish::append(std::span<const PlainRow> rows,
                                                            const Epoch& epoch) {
  const auto all_unavailable = [&rows](const Error& error) {
    return std::vector<Result<Appended>>(rows.size(), Result<Appended>(unavailable(error)));
  };
  auto transaction = SqliteTransaction::begin(connection_, SqliteTransaction::Kind::write);
  if (!transaction) {
    if (transaction.error().code == Errc::rate_limited) return all_unavailable(transaction.error());
    return transaction.error();
  }
  now_ms_ = wall_ms();
  std::vector<Result<Appended>> outcomes;
  outcomes.reserve(rows.size());
  for (const PlainRow& row : rows) {
    outcomes.push_back(append_one(row, epoch));
    // The transaction's own trouble, not this row's: nothing of it may be committed.
    if (!outcomes.back() && outcomes.back().error().code == Errc::unavailable)
      return all_unavailable(outcomes.back().error());
  }
  if (auto forgotten = forget_old(rows); !forgotten) return all_unavailable(forgotten.error());
  if (auto committed = transaction->commit(); !committed) return all_unavailable(committed.error());
  return outcomes;
}

Result<Appended> SqlitePublish::append_one(const PlainRow& row, const Epoch& epoch) {
  if (!row.idempotency_key.empty()) {
    auto found = find(row, idempotency_key(row), epoch);
    if (!found) return found.error();
    if (*found) return **found;
  }
  if (row.id_given) {
    auto found = find(row, id_key(row), epoch);
    if (!found) return found.error();
    if (*found) return **found;
  }
  bind_row(row);
  if (auto inserted = insert_.run(); !inserted) {
    if (SqliteConnection::is_mistake_in_data(inserted.error()))
      return {Errc::validation, inserted.error().detail};
    return unavailable(inserted.error());
  }
  const std::int64_t id = connection_.last_insert_id();
  if (!row.idempotency_key.empty())
    if (auto kept = keep(row, idempotency_key(row), id); !kept) return unavailable(kept.error());
  if (row.id_given)
    if (auto kept = keep(row, id_key(row), id); !kept) return unavailable(kept.error());
  return Appended{row.event_id, static_cast<Offset>(id), epoch};
}

void SqlitePublish::bind_row(const PlainRow& row) {
  const auto kind = row.envelope ? OutboxRow::Kind::envelope : OutboxRow::Kind::plain;
  const EnvelopeKey key = row.envelope.value_or(EnvelopeKey{});
  insert_.bind(1, row.event_id.text()).bind(2, static_cast<std::int64_t>(kind));
  insert_.bind(3, row.event_type);
  bind_or_null(insert_, 4, row.room);
  bind_or_null(insert_, 5, row.exclude_user);
  bind_or_null(insert_, 6, row.conflation_key);
  insert_.bind(7, *row.data);
  bind_or_null(insert_, 8, key.tenant_id);
  bind_or_null(insert_, 9, key.aggregate_type);
  bind_or_null(insert_, 10, key.aggregate_id);
}

// The first answer again, if the key was used; CONFLICT, if for something else. A key whose row the
// application has deleted since is still a repeat: it was published.
Result<std::optional<Appended>> SqlitePublish::find(const PlainRow& row, std::string_view key,
                                                    const Epoch& epoch) {
  const std::int64_t window_ms =
      1'000 * std::int64_t{namespace_for(config_, key_room(row)).dedupe_window_s};
  const auto stepped = find_.bind(1, key_room(row))
                           .bind(2, row.user)
                           .bind(3, key)
                           .bind(4, now_ms_ - window_ms)
                           .step();
  if (!stepped) return unavailable(stepped.error());
  std::optional<Appended> first;
  bool same = true;
  if (*stepped == SqliteStatement::Step::row) {
    first = {Uuid::parse(find_.text(0)).value_or(row.event_id),
             static_cast<Offset>(find_.integer(1)), epoch};
    const bool still_there = find_.integer(2) != 0;
    same = !still_there || (find_.text(3) == row.event_type && find_.text(4) == row.exclude_user &&
                            find_.text(5) == row.conflation_key && find_.text(6) == *row.data);
  }
  find_.reset();
  if (!same)
    return {Errc::conflict, key.starts_with("id:")
                                ? "id: was used before for another event in this room"
                                : "idempotencyKey: was used before for another event in this room"};
  return first;
}

Result<void> SqlitePublish::keep(const PlainRow& row, std::string_view key,
                                 std::int64_t outbox_id) {
  return keep_.bind(1, key_room(row))
      .bind(2, row.user)
      .bind(3, key)
      .bind(4, outbox_id)
      .bind(5, row.event_id.text())
      .bind(6, now_ms_)
      .run();
}

Result<void> SqlitePublish::forget_old(std::span<const PlainRow> rows) {
  std::set<std::string> rooms;
  for (const PlainRow& row : rows)
    if (has_key(row)) rooms.insert(key_room(row));
  if (rooms.empty()) return {};
  for (const std::string& room : rooms) {
    const std::int64_t keys_max = namespace_for(config_, room).dedupe_max;
    if (auto run = trim_.bind(1, room).bind(2, keys_max).run(); !run) return run;
  }
  std::int64_t window_s = 0;
  for (const NamespaceConfig& row : config_.namespaces)
    window_s = std::max(window_s, std::int64_t{row.dedupe_window_s});
  return expire_.bind(1, now_ms_ - 1'000 * window_s).bind(2, kExpiredKeysMax).run();
}

}  // namespace ringcast
