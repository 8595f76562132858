// The configuration: one tree of structs, each field with its default, its unit and its bounds in
// place. config/load.hpp fills it from TOML, the environment and flags; nothing changes it later.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"

namespace ringcast {

enum class HistoryKind : std::uint8_t { none, memory, store };
enum class SlowPolicy : std::uint8_t { disconnect, drop_oldest, latest };
enum class BackendWish : std::uint8_t { automatic, io_uring, epoll };

struct ListenConfig {
  std::string address = "127.0.0.1:8800";    // HOST:PORT; port 0 picks a free one
  std::string unix_path;                     // key `unix`: path of a unix socket; empty: none
  std::string unix_mode = "0660";            // of its file, octal
  std::vector<std::string> allowed_origins;  // exact, scheme://host[:port]; empty: same origin only
  std::uint32_t connections_max = 10'000;    // per daemon; beyond it connections are closed at once
  std::uint32_t connections_per_address_max = 10'000;
  bool compression = false;                // permessage-deflate, for clients that offer it
  std::uint32_t compress_bytes_min = 256;  // smaller messages go out as they are
};

struct EngineConfig {
  std::uint32_t shards = 0;  // 0: as many as the process may use CPUs
  BackendWish backend = BackendWish::automatic;
  std::uint32_t ports = 0;  // of applications in this process (port.hpp): no key, set by those
  bool pin = false;
  std::uint32_t stall_ms = 5'000;  // a shard that drains nothing for so long leaves the audience
  std::uint64_t pinned_bytes_max = 256ULL << 20;  // per shard, what blocked sockets hold on to
  std::uint32_t mailbox_max = 4'096;              // messages a sender may have in one mailbox
  std::uint32_t stop_deadline_ms = 10'000;        // from SIGTERM to the end, whatever clients do
};

struct AuthConfig {
  std::string hs256_secret;              // >= 32 octets; empty: no HMAC tokens
  std::vector<std::string> public_keys;  // PEM texts, or paths of PEM files
  std::string audience;                  // empty: not checked
  std::string issuer;                    // empty: not checked
  std::vector<std::string> api_keys;     // for the server API
  bool allow_anonymous = false;          // connections without a token may subscribe anywhere
  std::uint32_t leeway_s = 30;
};

struct NamespaceConfig {
  std::string name;  // what stands before a room's first colon; "*": all that are not named
  HistoryKind history = HistoryKind::memory;
  std::uint32_t history_size = 100;
  std::uint32_t history_ttl_s = 300;
  std::uint32_t recover_max = 1'000;
  bool presence = true;
  std::uint32_t presence_interval_ms = 250;
  std::uint32_t presence_users_max = 100;
  bool client_publish = true;           // with a grant
  std::uint32_t flush_interval_ms = 0;  // what a room sends within it after a first frame waits
  SlowPolicy slow_policy = SlowPolicy::disconnect;
  std::uint64_t send_queue_bytes_max = 1ULL << 20;
  std::uint32_t dedupe_window_s = 300;
  std::uint32_t dedupe_max = 10'000;
  std::uint32_t room_idle_s = 60;
  std::uint32_t rooms_max = 1'000'000;  // per home shard
  std::uint32_t subscribe_wait_ms = 5'000;
};

struct StoreConfig {
  std::string url;  // sqlite:PATH or postgresql://...; empty: no store
  enum class Migrate : std::uint8_t { apply, check, off } migrate = Migrate::apply;
};

enum class UnknownEvents : std::uint8_t { allow, reject };

enum class OutboxMode : std::uint8_t { window, status };

struct OutboxConfig {
  OutboxMode mode = OutboxMode::window;           // PostgreSQL: how rows are read
  bool continuous = true;                         // false: only /outbox/publish reads
  std::uint32_t batch_max = 1'000;                // rows a window; at most 8,191
  std::uint64_t window_bytes_max = 128ULL << 10;  // rows travel with the record up to here
  std::uint64_t replay_bytes_max = 64ULL << 20;
  std::uint32_t poll_interval_ms = 0;  // 0: the store's own (SQLite 1,000, PostgreSQL 250)
  std::uint64_t envelope_bytes_warn = 32ULL << 10;
  std::uint64_t envelope_bytes_max = 64ULL << 10;
  std::string schemas;  // folder of <eventType>.json; empty: no type has a schema
  UnknownEvents unknown_events = UnknownEvents::allow;  // what becomes of types without a schema
  std::uint64_t schema_text_bytes_max = 1'024;          // under a schema with pattern or format
  std::uint32_t retention_days = 7;                     // 0: rows are kept for ever
  std::string archive_folder;                           // rows are written there first; empty: not
  std::vector<std::string> hold;                        // event types; see store/holds.hpp
  std::uint64_t held_rows_max = 10'000;
};

struct LimitsConfig {
  std::uint64_t message_bytes_max = 64ULL << 10;
  std::uint32_t fragments_max = 16'384;
  std::uint32_t header_bytes_max = 16'384;
  std::uint32_t header_lines_max = 100;
  std::uint32_t target_bytes_max = 8'192;
  std::uint64_t body_bytes_max = 1ULL << 20;
  std::uint32_t rooms_per_connection_max = 128;
  std::uint64_t reply_bytes_max = 1ULL << 20;  // answers that wait for one blocked socket
  std::uint32_t header_timeout_s = 10;
  std::uint32_t body_timeout_s = 30;
  std::uint32_t idle_timeout_s = 60;  // keep-alive between requests
  std::uint32_t ping_interval_s = 25;
  std::uint32_t pong_timeout_s = 10;
  std::uint32_t publications_per_request_max = 1'000;  // of /api/batch; rooms of /api/broadcast
  std::uint32_t page_max = 1'000;                      // entries in an answer of the server API
  std::uint64_t page_bytes_max = 1ULL << 20;           // payloads in a page of history
  std::uint32_t admin_asks_max = 64;  // open at a shard, of those that concern all shards
  std::uint32_t errors_max = 20;      // answered errors a connection, then it is closed
  std::uint32_t linger_s = 5;         // an ended connection's last octets and the peer's FIN
  std::uint32_t write_stall_s = 10;   // a socket that takes nothing for so long is closed
};

// What clients ask of the application that embeds the engine; without handlers nothing of it
// counts.
struct AppConfig {
  std::uint32_t threads = 1;                    // that run its C++ handlers
  std::uint32_t answer_ms = 5'000;              // then a call is UNAVAILABLE, a hook has refused
  std::uint32_t calls_per_connection_max = 64;  // open ones
  std::uint32_t calls_max = 4'096;              // open ones, hooks among them; per shard
  std::uint32_t crashes_per_minute_max = 0;     // of one handler on a shard; 0: no limit
  std::uint32_t crash_pause_s = 10;             // for which it is not called then
  std::uint32_t rate_users_max = 100'000;       // per thread and handler with a rate for users
  std::uint32_t idempotency_window_s = 300;
  std::uint64_t idempotency_bytes_max = 16ULL << 20;  // remembered answers; per thread
  std::uint32_t verdict_ttl_s = 60;                   // of `authorize`
  std::uint32_t verdicts_max = 10'000;                // per shard
};

struct LogConfig {
  log::Level level = log::Level::info;
  log::Format format = log::Format::automatic;
  std::uint32_t lines_max = 1'024;  // that wait for an application with a log of its own
};

struct DebugConfig {
  bool echo = false;  // GET /debug/echo
};

struct Config {
  ListenConfig listen;
  EngineConfig engine;
  AuthConfig auth;
  std::vector<NamespaceConfig> namespaces;  // always ends with "*"; see with_default_namespaces()
  StoreConfig store;
  OutboxConfig outbox;
  LimitsConfig limits;
  AppConfig app;
  LogConfig log;
  DebugConfig debug;
  bool dev =
      false;  // `ringcastd dev`: demo page, dev endpoints, Host and Origin check; no file sets it
};

// Adds what no configuration needs to say: namespace `tenant` is `store` when there is a store, all
// others are `memory`. Idempotent. Thread: start-up.
void with_default_namespaces(Config& config);

// The row that holds for a room. `namespaces` is that of a Config after with_default_namespaces().
[[nodiscard]] const NamespaceConfig& namespace_for(const Config& config, std::string_view room);

}  // namespace ringcast
