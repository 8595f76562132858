#include "pg/append.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "pg/sqlstate.hpp"

namespace ringcast::pg {

namespace {

// Claims keys that are free or have expired. Sorted, so that two daemons with the same keys wait
// for each other in one order and never in a circle.
const Statement kClaim = {"append_claim", R"sql(
insert into ringcast.publish_key as k (room, user_id, key, digest, event_id)
select room, user_id, key, sha256(content), event_id
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[])
     as t(room, user_id, key, content, event_id)
order by room, user_id, key
on conflict (room, user_id, key) do update
  set digest = excluded.digest, event_id = excluded.event_id, at = clock_timestamp()
  where k.at < clock_timestamp() - make_interval(secs => $6::float8)
returning room, user_id, key)sql"};

// A statement of its own: only its snapshot sees what a claim has waited for.
const Statement kFirst = {"append_first", R"sql(
select k.room, k.user_id, k.key, k.event_id, k.digest = sha256(t.content)
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as t(room, user_id, key, content)
join ringcast.publish_key k using (room, user_id, key))sql"};

const Statement kUnclaim = {"append_unclaim", R"sql(
delete from ringcast.publish_key k
using unnest($1::text[], $2::text[], $3::text[]) as t(room, user_id, key)
where (k.room, k.user_id, k.key) = (t.room, t.user_id, t.key))sql"};

const Statement kInsert = {"append_insert", R"sql(
insert into ringcast.outbox
  (event_id, kind, event_type, room, exclude_user, conflation_key, payload)
select event_id, 1, event_type, room, exclude_user, conflation_key, payload
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
     with ordinality as t(event_id, event_type, room, exclude_user, conflation_key, payload, ord)
order by ord)sql"};

const Statement kForgetOld = {"forget_old", R"sql(
delete from ringcast.publish_key where (room, user_id, key) in (
  select room, user_id, key from ringcast.publish_key
  where at < clock_timestamp() - make_interval(secs => $1::float8) order by at limit 10000))sql"};

const Statement kForgetMany = {"forget_many", R"sql(
delete from ringcast.publish_key where (room, user_id, key) in (
  select room, user_id, key from (
    select room, user_id, key, row_number() over (partition by room order by at desc) as place
    from ringcast.publish_key) k
  where place > $1::bigint limit 10000))sql"};

// A key of one row. The two kinds never meet: their first letter differs.
struct Key {
  std::string room;
  std::string user;
  std::string key;
  auto operator<=>(const Key&) const = default;
};

std::vector<Key> keys_of(const PlainRow& row) {
  std::vector<Key> keys;
  if (!row.idempotency_key.empty()) keys.push_back({row.room, row.user, "k" + row.idempotency_key});
  if (row.id_given) keys.push_back({row.room, row.user, "i" + row.event_id.text()});
  return keys;
}

// What must be the same for a repeat to be one. Lengths in front: no two rows read alike.
std::string content_of(const PlainRow& row) {
  std::string out;
  for (const std::string_view part :
       {std::string_view(row.event_type), std::string_view(row.exclude_user),
        std::string_view(row.conflation_key)}) {
    out += std::to_string(part.size());
    out += ':';
    out += part;
  }
  out += *row.data;
  return out;
}

// Who used a key first, and whether with the bytes of this batch's owner of the key.
struct First {
  Uuid id;
  bool same_content = false;
};

// One batch on its way through the transaction.
//
// Thread: outbox. Lives for one append().
class Batch final {
 public:
  Batch(Connection& connection, std::span<const PlainRow> rows) : connection_(connection) {
    for (const PlainRow& row : rows) {
      rows_.push_back({&row, content_of(row), keys_of(row), std::nullopt});
      for (const Key& key : rows_.back().keys) owners_.emplace(key, rows_.size() - 1);
    }
  }

  Result<std::vector<Result<Appended>>> run(const DedupeLimits& dedupe) {
    if (auto claimed = claim(dedupe); !claimed) return claimed.error();
    decide();
    if (auto done = unclaim(); !done) return done.error();
    if (auto done = insert(); !done) return done.error();
    std::vector<Result<Appended>> out;
    for (Row& row : rows_) out.push_back(*std::move(row.outcome));
    return out;
  }

 private:
  struct Row {
    const PlainRow* given;
    std::string content;
    std::vector<Key> keys;
    std::optional<Result<Appended>> outcome;
    bool repeat = false;
  };

  // The columns of a set of keys, as the statements take them.
  struct KeyColumns {
    std::vector<std::string_view> rooms, users, keys, contents;
    std::vector<Uuid> ids;

    void add(const Key& key, const Row& row) {
      rooms.push_back(key.room);
      users.push_back(key.user);
      keys.push_back(key.key);
      contents.push_back(row.content);
      ids.push_back(row.given->event_id);
    }
    [[nodiscard]] Params params() const {
      return Params{}.add_plain_texts(rooms).add_plain_texts(users).add_plain_texts(keys);
    }
  };

  static Key key_at(const Rows& rows, std::size_t at) {
    return {std::string(rows.text(at, 0)), std::string(rows.text(at, 1)),
            std::string(rows.text(at, 2))};
  }

  // Fills taken_ with the keys that someone else has used. Of a key that occurs twice in the batch
  // the first row speaks for both.
  Result<void> claim(const DedupeLimits& dedupe) {
    if (owners_.empty()) return {};
    KeyColumns columns;
    for (const auto& [key, owner] : owners_) columns.add(key, rows_[owner]);
    auto claimed = connection_.execute(
        kClaim,
        columns.params().add_bytes(columns.contents).add_uuids(columns.ids).add(dedupe.window_s));
    if (!claimed) return claimed.error();
    for (std::size_t i = 0; i < claimed->size(); ++i) claimed_.insert(key_at(*claimed, i));

    KeyColumns others;
    for (const auto& [key, owner] : owners_)
      if (!claimed_.contains(key)) others.add(key, rows_[owner]);
    if (others.keys.empty()) return {};
    auto first = connection_.execute(kFirst, others.params().add_bytes(others.contents));
    if (!first) return first.error();
    for (std::size_t i = 0; i < first->size(); ++i) {
      taken_[key_at(*first, i)] = {first->uuid(i, 3), first->flag(i, 4)};
    }
    return {};
  }

  // In the order of the rows, so that a row finds the outcome of the one it repeats.
  void decide() {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      Row& row = rows_[i];
      Appended appended{.id = row.given->event_id, .offset = std::nullopt, .epoch = {}};
      row.outcome = appended;
      for (const Key& key : row.keys) {
        const std::size_t owner = owners_.at(key);
        const auto taken = taken_.find(key);
        if (taken == taken_.end() && owner == i) continue;
        bool same = row.content == rows_[owner].content;
        if (taken != taken_.end()) {
          same = same && taken->second.same_content;
          appended.id = taken->second.id;
        } else if (rows_[owner].outcome->ok()) {
          appended.id = (*rows_[owner].outcome)->id;
        }
        row.repeat = true;
        row.outcome = appended;
        if (!same)
          row.outcome =
              Error{Errc::conflict, key.key[0] == 'k'
                                        ? "this idempotencyKey was used with another content"
                                        : "this id was used with another content"};
        break;
      }
    }
  }

  // A repeat may have claimed its other key; it inserts nothing that the key could stand for.
  Result<void> unclaim() {
    KeyColumns columns;
    for (const auto& [key, owner] : owners_)
      if (rows_[owner].repeat && claimed_.contains(key)) columns.add(key, rows_[owner]);
    if (columns.keys.empty()) return {};
    auto done = connection_.execute(kUnclaim, columns.params());
    if (!done) return done.error();
    return {};
  }

  Result<void> insert() {
    std::vector<Uuid> ids;
    std::vector<std::string_view> types, rooms, excluded, conflation, payloads;
    for (const Row& row : rows_) {
      if (row.repeat) continue;
      ids.push_back(row.given->event_id);
      types.push_back(row.given->event_type);
      rooms.push_back(row.given->room);
      excluded.push_back(row.given->exclude_user);
      conflation.push_back(row.given->conflation_key);
      payloads.push_back(*row.given->data);
    }
    if (ids.empty()) return {};
    auto done = connection_.execute(kInsert, Params{}
                                                 .add_uuids(ids)
                                                 .add_plain_texts(types)
                                                 .add_plain_texts(rooms)
                                                 .add_texts(excluded)
                                                 .add_texts(conflation)
                                                 .add_bytes(payloads));
    if (!done) return done.error();
    return {};
  }

  Connection& connection_;
  std::vector<Row> rows_;
  std::map<Key, std::size_t> owners_;  // the first row of the batch with this key
  std::set<Key> claimed_;
  std::map<Key, First> taken_;
};

// One transaction. `bad_value`: the error came from a value of a row.
Result<std::vector<Result<Appended>>> append_once(Connection& connection,
                                                  std::span<const PlainRow> rows,
                                                  const DedupeLimits& dedupe, bool& bad_value) {
  bad_value = false;
  if (auto begun = connection.run("begin"); !begun) return begun.error();
  auto outcomes = Batch(connection, rows).run(dedupe);
  if (outcomes) {
    if (auto ended = connection.run("commit"); !ended) return ended.error();
    return outcomes;
  }
  bad_value = is_bad_value(connection.last_sqlstate());
  if (connection.usable())
    if (auto ended = connection.run("rollback"); !ended) return ended.error();
  return outcomes;
}

}  // namespace

Result<std::vector<Result<Appended>>> append(Connection& connection, std::span<const PlainRow> rows,
                                             const DedupeLimits& dedupe) {
  std::vector<Result<Appended>> out;
  if (rows.empty()) return out;
  bool bad_value = false;
  auto all = append_once(connection, rows, dedupe, bad_value);
  if (all || !bad_value) return all;
  // Some row holds a value that the table does not take: alone, each answers for itself.
  for (const PlainRow& row : rows) {
    auto one = append_once(connection, std::span(&row, 1), dedupe, bad_value);
    if (!one && !bad_value) return one.error();
    if (one) {
      out.push_back(one->front());
    } else {
      out.emplace_back(Errc::validation,
                       "the outbox does not take this event: " + one.error().detail);
    }
  }
  return out;
}

Result<void> forget_keys(Connection& connection, const DedupeLimits& dedupe) {
  if (auto done = connection.execute(kForgetOld, Params{}.add(dedupe.window_s)); !done)
    return done.error();
  if (auto done = connection.execute(kForgetMany, Params{}.add(dedupe.keys_max)); !done)
    return done.error();
  return {};
}

}  // namespace ringcast::pg
