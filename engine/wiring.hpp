// Builds an engine's parts, in reading order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "application_thread.hpp"
#include "engine.hpp"
#include "io/backend_probe.hpp"
#include "io/listener.hpp"
#include "metrics/exposition.hpp"
#include "metrics/source_metrics.hpp"
#include "port.hpp"
#include "queue/latest.hpp"
#include "shard/shard.hpp"
#include "store/outbox_operator.hpp"
#include "store/source.hpp"

namespace ringcast {

// Everything that a running engine consists of. Destroyed from the bottom up: threads are joined
// before, so that nothing here is in use any more.
struct Engine::Parts {
  explicit Parts(Services made) : services(std::move(made)) {}

  // What the shard of this index is made of, without its sockets.
  [[nodiscard]] Shard::Parts of_shard(std::uint32_t index);

  Services services;
  std::string address;
  io::SocketFile unix_file;
  io::BackendChoice backend;
  std::vector<std::unique_ptr<Wakeup>> wakeups;  // of the shards
  std::vector<std::unique_ptr<ShardMailbox>> mailboxes;
  std::vector<std::unique_ptr<ShardMetrics>> metrics;
  SourceMetrics source_metrics;
  std::optional<Exposition> exposition;
  Wakeup source_wakeup;
  std::unique_ptr<Mailbox<SourceMail>> source_mailbox;
  Latest<SourceStatus> source_status;
  std::vector<std::unique_ptr<Port>> ports;  // behind the mailboxes that they send to
  Application application;
  std::vector<std::unique_ptr<ApplicationThread>> application_threads;  // of the last ports
  std::vector<ShardSender> application_control;                         // for StopMail, to each
  std::unique_ptr<Source> source;
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<ShardSender> control;  // for StopMail
  std::optional<SourceSender> source_control;
  std::vector<std::thread> shard_threads;
  std::vector<std::thread> running_application;
  std::thread source_thread;
};

// The CPUs of the affinity mask, in ascending order; empty if the kernel does not say.
[[nodiscard]] std::vector<int> allowed_cpus();

// Usable CPUs: affinity mask and cgroup quota, at least 1, at most kShardsMax.
[[nodiscard]] std::uint32_t usable_cpus();

// Keys, grants and limits that connections are judged by; the error names the configuration key.
[[nodiscard]] Result<Services> make_services(Config config);

// What the source says of itself, into its counters. Thread: outbox.
void count_source(SourceMetrics& metrics, const SourceStatus& status);

// The texts of all close reasons, by their enumerators.
[[nodiscard]] std::vector<std::string_view> close_reason_labels();

// The names of all that the application answers, by their rows.
[[nodiscard]] std::vector<std::string> handler_labels(const Handlers& handlers);

// The store that the configuration names, or nothing.
[[nodiscard]] Result<std::unique_ptr<OutboxStore>> make_store(const Config& config);

// An operator's connection to the store that the configuration names. Thread: start-up.
[[nodiscard]] Result<std::unique_ptr<OutboxOperator>> make_operator(const StoreConfig& store);

}  // namespace ringcast
