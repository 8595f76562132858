#include "wiring.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "pg/pg_operator.hpp"
#include "pg/pg_store.hpp"
#include "store/sqlite_operator.hpp"
#include "store/sqlite_store.hpp"

namespace ringcast {

namespace {

// cgroup v2: "max 100000" or "QUOTA PERIOD" in microseconds.
double cgroup_cpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return kShardsMax;
  return std::atof(quota.c_str()) / period;
}

Result<KeySet> make_keys(const AuthConfig& auth) {
  KeySet keys;
  if (!auth.hs256_secret.empty()) {
    auto key = Key::from_secret(auth.hs256_secret);
    if (!key) return {Errc::validation, "auth.hs256_secret: " + key.error().detail};
    if (auto added = keys.add(std::move(*key)); !added)
      return {Errc::validation, "auth.hs256_secret: " + added.error().detail};
  }
  for (const std::string& entry : auth.public_keys)
    if (auto added = keys.add_public_key(entry); !added)
      return {Errc::validation, "auth.public_keys: " + added.error().detail};
  return keys;
}

// One table of publish keys serves all `store` namespaces, so the widest of them counts.
pg::DedupeLimits dedupe_limits(const Config& config) {
  pg::DedupeLimits limits{0, 0};
  for (const NamespaceConfig& row : config.namespaces) {
    if (row.history != HistoryKind::store) continue;
    limits.window_s = std::max(limits.window_s, row.dedupe_window_s);
    limits.keys_max = std::max(limits.keys_max, row.dedupe_max);
  }
  return limits;
}

bool is_postgres(std::string_view url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://");
}

}  // namespace

Shard::Parts Engine::Parts::of_shard(std::uint32_t index) {
  const Config& settings = services.config;
  Shard::Parts shard;
  shard.index = {index};
  shard.services = &services;
  shard.mailbox = mailboxes[index].get();
  shard.wakeup = wakeups[index].get();
  shard.metrics = metrics[index].get();
  for (std::uint32_t other = 0; other < settings.engine.shards; ++other)
    shard.others.push_back(other == index ? ShardSender()
                                          : mailboxes[other]->open(settings.engine.mailbox_max));
  for (const auto& port : ports) shard.others.push_back(port->open_lane());
  if (source_mailbox) shard.source = source_mailbox->open(settings.engine.mailbox_max);
  shard.ring.backend = backend.backend;
  shard.ring.reason = backend.reason;
  shard.ring.sockets_max = settings.listen.connections_max + 64;
  return shard;
}

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) cpus.push_back(cpu);
  return cpus;
}

std::uint32_t usable_cpus() {
  const double cpus =
      std::min(static_cast<double>(allowed_cpus().size()), std::ceil(cgroup_cpus()));
  return static_cast<std::uint32_t>(std::clamp(cpus, 1.0, static_cast<double>(kShardsMax)));
}

Result<Services> make_services(Config config) {
  auto keys = make_keys(config.auth);
  if (!keys) return keys.error();
  ApiKeys api_keys;
  for (const std::string& key : config.auth.api_keys)
    if (auto added = api_keys.add(key); !added)
      return {Errc::validation, "auth.api_keys: " + added.error().detail};
  const JwtRules rules{config.auth.audience, config.auth.issuer,
                       std::chrono::seconds(config.auth.leeway_s)};
  const LimitsConfig& limits = config.limits;
  auto places = std::make_shared<Places>(config.listen.connections_max);
  auto by_address = std::make_shared<AddressPlaces>(config.listen.connections_per_address_max);
  Services services{std::move(config),
                    {limits.header_bytes_max, limits.header_lines_max, limits.target_bytes_max,
                     limits.body_bytes_max},
                    {limits.message_bytes_max, limits.fragments_max},
                    JwtVerifier(std::move(*keys), rules),
                    std::move(api_keys),
                    nullptr,
                    std::make_shared<const Identity>(Identity{{}, Grants::all(), {}, true}),
                    std::move(places),
                    std::move(by_address),
                    nullptr,
                    nullptr};
  if (services.config.dev)
    services.anonymous = std::make_shared<const Identity>(Identity{{}, Grants::all(), {}});
  else if (services.config.auth.allow_anonymous)
    services.anonymous = std::make_shared<const Identity>(Identity{{}, Grants::anonymous(), {}});
  return services;
}

void count_source(SourceMetrics& metrics, const SourceStatus& status) {
  metrics.polls_empty.advance_to(status.polls_empty);
  metrics.polls_full.advance_to(status.polls_full);
  metrics.replayed.advance_to(status.replayed);
  metrics.windows.advance_to(status.windows);
  metrics.rows.advance_to(status.rows);
  for (std::size_t i = 0; i < kFailReasons.size(); ++i)
    metrics.rows_failed[i].advance_to(status.rows_failed[i]);
  metrics.window_rows.set(status.window_rows);
  metrics.dead_letters.set(status.trouble.dead);
  metrics.held_rows.set(status.trouble.held);
  metrics.held_aggregates.set(status.trouble.holds);
  metrics.oldest_transaction_ms.set(
      static_cast<std::uint64_t>(status.trouble.oldest_transaction.count()));
  metrics.events.advance_to(status.events);
  metrics.appended.advance_to(status.appended);
  metrics.opens.advance_to(status.opens);
  metrics.open_failures.advance_to(status.open_failures);
  metrics.blocked_ms.advance_to(
      static_cast<std::uint64_t>(std::chrono::duration_cast<Millis>(status.blocked).count()));
  const auto since = status.behind_since.value_or(WallTime{}).time_since_epoch().count();
  metrics.behind_since_us.set(static_cast<std::uint64_t>(std::max<std::int64_t>(since, 0)));
  metrics.ready.set(status.state == SourceStatus::State::ready ? 1 : 0);
}

std::vector<std::string_view> close_reason_labels() {
  std::vector<std::string_view> labels;
  for (std::size_t i = 0; i < kCloseReasons; ++i)
    labels.push_back(close_row(static_cast<CloseReason>(i)).text);
  return labels;
}

std::vector<std::string> handler_labels(const Handlers& handlers) {
  std::vector<std::string> labels;
  for (std::uint32_t i = 0; i < handlers.size(); ++i)
    labels.push_back(Handlers::label(handlers.row({i})));
  return labels;
}

Result<std::unique_ptr<OutboxStore>> make_store(const Config& config) {
  if (config.store.url.empty()) return std::unique_ptr<OutboxStore>();
  const std::string& folder = config.outbox.archive_folder;
  std::error_code error;
  if (!folder.empty() && !std::filesystem::is_directory(folder, error))
    return {Errc::validation, fmt::format("outbox.archive_folder: {} is not a folder", folder)};
  if (is_postgres(config.store.url))
    return pg::make_pg_store(config.store, config.outbox, dedupe_limits(config));
  return make_sqlite_store(config);
}

Result<std::unique_ptr<OutboxOperator>> make_operator(const StoreConfig& store) {
  if (is_postgres(store.url)) return pg::PgOperator::open(store.url);
  return SqliteOperator::open(store.url);
}

}  // namespace ringcast
