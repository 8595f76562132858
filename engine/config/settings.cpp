// The rows of the table in config/setting.hpp, in the order of the reference.

#include <array>
#include <utility>

#include "base/ids.hpp"
#include "config/setting.hpp"

namespace ringcast {

namespace {

template <auto Section, auto Key>
auto& in(Config& config) {
  return config.*Section.*Key;
}

template <auto Key>
auto& of(NamespaceConfig& row) {
  return row.*Key;
}

template <auto Get, class Target>
constexpr Choice<Target> choice(std::span<const std::string_view> names) {
  return {names, [](Target& target) { return static_cast<std::size_t>(Get(target)); },
          [](Target& target, std::size_t index) {
            auto& field = Get(target);
            field = static_cast<std::remove_reference_t<decltype(field)>>(index);
          }};
}

constexpr std::string_view kBackends[] = {"automatic", "io_uring", "epoll"};
constexpr std::string_view kHistories[] = {"none", "memory", "store"};
constexpr std::string_view kSlowPolicies[] = {"disconnect", "drop_oldest", "latest"};
constexpr std::string_view kMigrations[] = {"apply", "check", "off"};
constexpr std::string_view kOutboxModes[] = {"window", "status"};
constexpr std::string_view kUnknownEvents[] = {"allow", "reject"};
constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
constexpr std::string_view kFormats[] = {"automatic", "human", "json"};

constexpr std::uint64_t kKiB = 1'024;
constexpr std::uint64_t kMiB = 1'024 * kKiB;
constexpr std::uint64_t kGiB = 1'024 * kMiB;

constexpr Bounds range(std::uint64_t min, std::uint64_t max) { return {min, max}; }

constexpr Bounds kText{0, 4'096};
constexpr Bounds kEntries{0, 256};
constexpr Bounds kSwitch{0, 1};
constexpr Bounds kNames{};
constexpr Bounds kTimeoutSeconds{1, 3'600};

using L = ListenConfig;
using E = EngineConfig;
using A = AuthConfig;
using N = NamespaceConfig;
using S = StoreConfig;
using O = OutboxConfig;
using M = LimitsConfig;
using P = AppConfig;

constexpr auto kListen = &Config::listen;
constexpr auto kEngine = &Config::engine;
constexpr auto kAuth = &Config::auth;
constexpr auto kStore = &Config::store;
constexpr auto kOutbox = &Config::outbox;
constexpr auto kLimits = &Config::limits;
constexpr auto kApp = &Config::app;

constexpr Setting<Config> kSettings[] = {
    {"listen", "address", in<kListen, &L::address>, kText,
     "HOST:PORT, [IPv6]:PORT; port 0 picks a free one"},
    {"listen", "unix", in<kListen, &L::unix_path>, range(0, 107),
     "path of a unix socket that is listened on besides; empty: none. A file that is left from a "
     "daemon that is gone is replaced, one that somebody answers on is not"},
    {"listen", "unix_mode", in<kListen, &L::unix_mode>, range(3, 4),
     "who may connect there: the mode of that file, octal"},
    {"listen", "allowed_origins", in<kListen, &L::allowed_origins>, kEntries,
     "origins of browsers, each scheme://host[:port]; empty: the same origin only"},
    {"listen", "connections_max", in<kListen, &L::connections_max>, range(1, 10'000'000),
     "connections of the daemon; one more is closed at once"},
    {"listen", "connections_per_address_max", in<kListen, &L::connections_per_address_max>,
     range(1, 10'000'000),
     "connections from one address, IPv6 by /64; one more is closed at once. A unix socket has no "
     "address; behind a proxy all have the proxy's"},
    {"listen", "compression", in<kListen, &L::compression>, kSwitch,
     "permessage-deflate for WebSocket clients that offer it; event streams stay as they are"},
    {"listen", "compress_bytes_min", in<kListen, &L::compress_bytes_min>, range(0, kGiB),
     "smaller messages are not compressed"},

    {"engine", "shards", in<kEngine, &E::shards>, range(0, kShardsMax),
     "threads that serve connections; 0: as many as the process may use CPUs"},
    {"engine", "backend", choice<in<kEngine, &E::backend>, Config>(kBackends), kNames,
     "how sockets are served; automatic takes io_uring where the kernel allows it"},
    {"engine", "pin", in<kEngine, &E::pin>, kSwitch,
     "each shard stays on a CPU of the affinity mask, in order; more shards than CPUs share"},
    {"engine", "stall_ms", in<kEngine, &E::stall_ms>, range(10, 600'000),
     "a shard that drains nothing for so long leaves the audience"},
    {"engine", "pinned_bytes_max", in<kEngine, &E::pinned_bytes_max>,
     range(64 * kKiB, 1'024 * kGiB),
     "what blocked sockets of one shard hold on to; beyond it the largest is disconnected"},
    {"engine", "mailbox_max", in<kEngine, &E::mailbox_max>, range(16, 1'048'576),
     "messages of one sender that wait in one mailbox"},
    {"engine", "stop_deadline_ms", in<kEngine, &E::stop_deadline_ms>, range(100, 600'000),
     "from the signal to stop until the end, whatever clients do"},

    {"auth", "hs256_secret", in<kAuth, &A::hs256_secret>, kText,
     "the secret of HS256, HS384 and HS512 tokens, at least 32 octets; empty: no such tokens",
     Privacy::secret},
    {"auth", "public_keys", in<kAuth, &A::public_keys>, range(0, 16),
     "keys of RS, PS, ES and EdDSA tokens: PEM texts or paths, each with kid:NAME: in front if it "
     "has an id"},
    {"auth", "audience", in<kAuth, &A::audience>, kText,
     "what a token's aud must name; empty: not checked"},
    {"auth", "issuer", in<kAuth, &A::issuer>, kText,
     "what a token's iss must be; empty: not checked"},
    {"auth", "api_keys", in<kAuth, &A::api_keys>, range(0, 64),
     "keys of the server API (Authorization: Bearer KEY)", Privacy::secret},
    {"auth", "allow_anonymous", in<kAuth, &A::allow_anonymous>, kSwitch,
     "connections without a token may subscribe to every room"},
    {"auth", "leeway_s", in<kAuth, &A::leeway_s>, range(0, 300),
     "how far the clocks of issuers may be off"},

    {"store", "url", in<kStore, &S::url>, kText, "sqlite:PATH or postgresql://...; empty: no store",
     Privacy::password},
    {"store", "migrate", choice<in<kStore, &S::migrate>, Config>(kMigrations), kNames,
     "at start: apply brings the schema up to date, check refuses an old one, off trusts it"},

    {"outbox", "mode", choice<in<kOutbox, &O::mode>, Config>(kOutboxModes), kNames,
     "how PostgreSQL's rows are read: window writes nothing into them; status keeps pending, "
     "published or failed in the row, which costs two updates a row"},
    {"outbox", "continuous", in<kOutbox, &O::continuous>, kSwitch,
     "read rows as they are committed; false leaves that to POST /outbox/publish"},
    {"outbox", "batch_max", in<kOutbox, &O::batch_max>, {1, 8'191}, "rows of one window"},
    {"outbox", "window_bytes_max", in<kOutbox, &O::window_bytes_max>, range(kKiB, 16 * kMiB),
     "rows travel with their window's record up to so many bytes"},
    {"outbox", "replay_bytes_max", in<kOutbox, &O::replay_bytes_max>, range(kKiB, 64 * kGiB),
     "what is replayed at start, the newest windows first"},
    {"outbox", "poll_interval_ms", in<kOutbox, &O::poll_interval_ms>, range(0, 60'000),
     "how often the table is looked at without a notice; 0: SQLite 1,000, PostgreSQL 250"},
    {"outbox", "envelope_bytes_warn", in<kOutbox, &O::envelope_bytes_warn>, range(0, 64 * kMiB),
     "an envelope beyond it is named in the log"},
    {"outbox", "envelope_bytes_max", in<kOutbox, &O::envelope_bytes_max>, range(kKiB, 64 * kMiB),
     "a row whose envelope is larger fails"},
    {"outbox", "schemas", in<kOutbox, &O::schemas>, kText,
     "folder of JSON Schemas, <eventType>.json each; a row whose payload breaks its schema fails"},
    {"outbox", "unknown_events", choice<in<kOutbox, &O::unknown_events>, Config>(kUnknownEvents),
     kNames, "rows whose event type has no schema: allow delivers them, reject fails them"},
    {"outbox", "schema_text_bytes_max", in<kOutbox, &O::schema_text_bytes_max>, range(64, 2'048),
     "a text in a payload whose schema has pattern or format"},
    {"outbox", "retention_days", in<kOutbox, &O::retention_days>, range(0, 3'650),
     "delivered rows older than so many days, and than the longest history, are removed; 0: never. "
     "Rows that are not delivered and dead letters stay"},
    {"outbox", "archive_folder", in<kOutbox, &O::archive_folder>, kText,
     "folder where rows are written before that, outbox-YYYYMMDD.jsonl each; empty: they are not"},
    {"outbox", "hold", in<kOutbox, &O::hold>, kEntries,
     "event types, or \"*\" for all: when such a row fails, the later rows of its aggregate wait "
     "until it is retried or dropped; those of all other types are skipped and the later ones go "
     "on"},
    {"outbox", "held_rows_max", in<kOutbox, &O::held_rows_max>, range(1, 1'000'000),
     "failed rows and those that wait behind them, of all aggregates; beyond it rows of a held "
     "aggregate are dead letters of their own, and a row that fails holds up nobody"},

    {"limits", "message_bytes_max", in<kLimits, &M::message_bytes_max>, range(64, kGiB),
     "a message of a client; beyond it the connection closes with 1009"},
    {"limits", "fragments_max", in<kLimits, &M::fragments_max>, range(1, 1'048'576),
     "fragments of one WebSocket message"},
    {"limits", "header_bytes_max", in<kLimits, &M::header_bytes_max>, range(512, kMiB),
     "the header block of a request; beyond it 431"},
    {"limits", "header_lines_max", in<kLimits, &M::header_lines_max>, range(8, 10'000),
     "lines of a header block; beyond it 431"},
    {"limits", "target_bytes_max", in<kLimits, &M::target_bytes_max>, range(64, kMiB),
     "path and query of a request; beyond it 414"},
    {"limits", "body_bytes_max", in<kLimits, &M::body_bytes_max>, range(64, kGiB),
     "the body of a request; beyond it 413"},
    {"limits", "rooms_per_connection_max", in<kLimits, &M::rooms_per_connection_max>,
     range(1, 100'000), "rooms that one connection subscribes"},
    {"limits", "reply_bytes_max", in<kLimits, &M::reply_bytes_max>, range(kKiB, kGiB),
     "answers that wait for one blocked socket"},
    {"limits", "publications_per_request_max", in<kLimits, &M::publications_per_request_max>,
     range(1, 1'000), "publications of one /api/batch, rooms of one /api/broadcast"},
    {"limits", "page_max", in<kLimits, &M::page_max>, range(1, 10'000),
     "rooms, users or events in one answer of the server API"},
    {"limits", "page_bytes_max", in<kLimits, &M::page_bytes_max>, range(kKiB, kGiB),
     "payloads in one page of /api/history; one event comes whatever its size"},
    {"limits", "admin_asks_max", in<kLimits, &M::admin_asks_max>, range(1, 1'024),
     "requests of the server API that wait for answers of other shards, at each shard"},
    {"limits", "header_timeout_s", in<kLimits, &M::header_timeout_s>, kTimeoutSeconds,
     "from the first octet of a request to the end of its header block"},
    {"limits", "body_timeout_s", in<kLimits, &M::body_timeout_s>, kTimeoutSeconds,
     "from the end of the header block to the end of the body"},
    {"limits", "idle_timeout_s", in<kLimits, &M::idle_timeout_s>, kTimeoutSeconds,
     "between two requests on one connection"},
    {"limits", "ping_interval_s", in<kLimits, &M::ping_interval_s>, kTimeoutSeconds,
     "how often a quiet connection is asked whether it is there"},
    {"limits", "pong_timeout_s", in<kLimits, &M::pong_timeout_s>, kTimeoutSeconds,
     "how long the answer to that may take"},
    {"limits", "errors_max", in<kLimits, &M::errors_max>, range(1, 1'000'000),
     "errors that a connection is told, then it is closed"},
    {"limits", "write_stall_s", in<kLimits, &M::write_stall_s>, kTimeoutSeconds,
     "a socket that takes nothing for so long is closed"},
    {"limits", "linger_s", in<kLimits, &M::linger_s>, kTimeoutSeconds,
     "how long an ended connection waits for its last octets to be taken"},

    {"app", "threads", in<kApp, &P::threads>, range(1, kPortsMax),
     "threads that run an application's C++ handlers; of use where the engine is embedded"},
    {"app", "answer_ms", in<kApp, &P::answer_ms>, range(10, 600'000),
     "how long an application may take to answer; then a call is UNAVAILABLE and a hook refuses"},
    {"app", "calls_per_connection_max", in<kApp, &P::calls_per_connection_max>, range(1, 65'536),
     "calls of one connection that wait for answers; beyond it RATE_LIMITED"},
    {"app", "calls_max", in<kApp, &P::calls_max>, range(1, 1'048'576),
     "calls and hooks of one shard that wait for answers; beyond it RATE_LIMITED"},
    {"app", "crashes_per_minute_max", in<kApp, &P::crashes_per_minute_max>, range(0, 10'000),
     "answers INTERNAL_ERROR of one handler on a shard; beyond it its calls are UNAVAILABLE for "
     "crash_pause_s and /readyz is degraded; 0: no limit"},
    {"app", "crash_pause_s", in<kApp, &P::crash_pause_s>, range(1, 3'600),
     "how long that lasts; then one call is tried"},
    {"app", "rate_users_max", in<kApp, &P::rate_users_max>, range(1, 10'000'000),
     "users whose rates one thread remembers for each handler; beyond it the longest silent one is "
     "forgotten"},
    {"app", "idempotency_window_s", in<kApp, &P::idempotency_window_s>, range(1, 86'400),
     "how long the answer to a call with an idempotency key is remembered"},
    {"app", "idempotency_bytes_max", in<kApp, &P::idempotency_bytes_max>, range(kKiB, 64 * kGiB),
     "such answers of one thread; beyond it the oldest are forgotten"},
    {"app", "verdict_ttl_s", in<kApp, &P::verdict_ttl_s>, range(0, 86'400),
     "how long the application's word about a user and a room holds; 0: it is asked each time"},
    {"app", "verdicts_max", in<kApp, &P::verdicts_max>, range(1, 10'000'000),
     "such words that one shard remembers; beyond it the oldest are forgotten"},

    {"log", "level", choice<in<&Config::log, &LogConfig::level>, Config>(kLevels), kNames,
     "the least that is written"},
    {"log", "format", choice<in<&Config::log, &LogConfig::format>, Config>(kFormats), kNames,
     "lines for people or for machines; automatic: for people where standard error is a terminal"},
    {"log", "lines_max", in<&Config::log, &LogConfig::lines_max>, range(1, 1'048'576),
     "lines that wait for the log of the application that the engine runs in; beyond it they are "
     "lost, and counted"},

    {"debug", "echo", in<&Config::debug, &DebugConfig::echo>, kSwitch,
     "GET /debug/echo sends back what it receives"},
};

constexpr std::string_view kRow = "namespace";

constexpr Setting<NamespaceConfig> kNamespaceSettings[] = {
    {kRow, "name", of<&N::name>, range(1, 120),
     "what stands before the first colon of a room; \"*\": all that have no table of their own"},
    {kRow, "history", choice<of<&N::history>, NamespaceConfig>(kHistories), kNames,
     "where missed events are kept; store is fed by the outbox"},
    {kRow, "history_size", of<&N::history_size>, {1, 1'000'000}, "events kept for each room"},
    {kRow, "history_ttl_s", of<&N::history_ttl_s>, {1, 31'536'000}, "how long they are kept"},
    {kRow, "recover_max", of<&N::recover_max>, range(1, 1'000'000),
     "missed events that are sent again; with more, recovery is refused"},
    {kRow, "presence", of<&N::presence>, kSwitch, "subscribers may learn who else is there"},
    {kRow, "presence_interval_ms", of<&N::presence_interval_ms>, range(1, 60'000),
     "how often changes of presence are announced"},
    {kRow, "presence_users_max", of<&N::presence_users_max>, range(1, 100'000),
     "users named in one list; beyond it only their number"},
    {kRow, "client_publish", of<&N::client_publish>, kSwitch, "clients with a grant may publish"},
    {kRow, "flush_interval_ms", of<&N::flush_interval_ms>, range(0, 10'000),
     "after a room has sent, its next events wait so long and go out together; 0: they never wait"},
    {kRow, "slow_policy", choice<of<&N::slow_policy>, NamespaceConfig>(kSlowPolicies), kNames,
     "at send_queue_bytes_max: disconnect, drop the oldest events, or also keep but the latest of "
     "each key; what is dropped is announced"},
    {kRow, "send_queue_bytes_max", of<&N::send_queue_bytes_max>, range(kKiB, kGiB),
     "what waits for the socket of one connection; beyond it slow_policy decides"},
    {kRow, "dedupe_window_s", of<&N::dedupe_window_s>, range(1, 86'400),
     "how long an idempotency key is remembered"},
    {kRow, "dedupe_max", of<&N::dedupe_max>, range(1, 10'000'000),
     "idempotency keys remembered for each room"},
    {kRow, "room_idle_s", of<&N::room_idle_s>, range(0, 86'400),
     "how long a room without subscribers and history stays"},
    {kRow, "rooms_max", of<&N::rooms_max>, range(1, 100'000'000),
     "rooms of each shard; beyond it publishing and subscribing are errors"},
    {kRow, "subscribe_wait_ms", of<&N::subscribe_wait_ms>, range(0, 600'000),
     "how long a subscription waits for the store at start"},
};

}  // namespace

std::span<const Setting<Config>> settings() { return kSettings; }

std::span<const Setting<NamespaceConfig>> namespace_settings() { return kNamespaceSettings; }

}  // namespace ringcast
