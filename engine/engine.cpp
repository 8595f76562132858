#include "engine.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <future>
#include <utility>

#include "config/check.hpp"
#include "wiring.hpp"

namespace ringcast {

namespace {

// Places for control mail; it is a handful in a daemon's life.
constexpr std::uint64_t kControlMax = 16;

std::optional<io::Backend> wished(BackendWish wish) {
  switch (wish) {
    case BackendWish::automatic:
      return std::nullopt;
    case BackendWish::io_uring:
      return io::Backend::io_uring;
    case BackendWish::epoll:
      return io::Backend::epoll;
  }
  return std::nullopt;
}

// What is listened on: an address, and a unix socket if one is configured.
Result<std::vector<io::BoundListener>> bind(const ListenConfig& listen) {
  std::vector<io::BoundListener> bound;
  const auto wanted = parse_listen_address(listen.address);
  if (!wanted) return {Errc::validation, "listen.address: " + wanted.error().detail};
  const auto address = io::tcp_address(wanted->host, wanted->port);
  if (!address) return {Errc::validation, "listen.address: " + address.error().detail};
  auto first = io::bind_listener(*address);
  if (!first) return first.error();
  bound.push_back(std::move(*first));
  if (listen.unix_path.empty()) return bound;
  const auto path = io::unix_address(listen.unix_path);
  if (!path) return {Errc::validation, "listen.unix: " + path.error().detail};
  const auto mode = parse_file_mode(listen.unix_mode);
  if (!mode) return {Errc::validation, "listen.unix_mode: " + mode.error().detail};
  auto socket = io::bind_listener(*path, *mode);
  if (!socket) return socket.error();
  bound.push_back(std::move(*socket));
  return bound;
}

void pin(std::vector<Shard::Parts>& shards) {
  const std::vector<int> cpus = allowed_cpus();
  if (cpus.empty()) return log::warning("engine.pin: the kernel does not say which CPUs there are");
  std::vector<int> used;
  for (std::size_t i = 0; i < shards.size(); ++i)
    used.push_back(*(shards[i].cpu = cpus[i % cpus.size()]));
  log::info("shards are pinned to CPUs {}", fmt::join(used, ", "));
}

// As `top -H` and debuggers show it; at most 15 octets.
void name_this_thread(const std::string& name) {
  (void)::pthread_setname_np(::pthread_self(), name.c_str());
}

using ShardsMetrics = std::vector<std::unique_ptr<ShardMetrics>>;

void report_source(const SourceStatus& status, Readiness& readiness) {
  switch (status.state) {
    case SourceStatus::State::opening:
      readiness.degraded = !status.detail.empty();
      readiness.reasons.push_back(status.detail.empty() ? "store is being opened"
                                  : status.refused      ? "store is refused: " + status.detail
                                                        : "store is away: " + status.detail);
      break;
    case SourceStatus::State::replaying:
      readiness.reasons.push_back("store is being replayed");
      break;
    case SourceStatus::State::ready:
      break;
    case SourceStatus::State::lost:
      readiness.degraded = true;
      readiness.reasons.push_back("store is away: " + status.detail);
      break;
  }
}

void report_handlers(const Handlers& handlers, const ShardsMetrics& shards, Readiness& readiness) {
  for (std::uint32_t i = 0; i < handlers.size(); ++i) {
    const bool broken = std::ranges::any_of(
        shards, [i](const auto& shard) { return shard->handlers[i].broken.value() != 0; });
    if (!broken) continue;
    // A start that is not over stays one.
    readiness.degraded |= readiness.reasons.empty();
    readiness.reasons.push_back("handler crashes: " + Handlers::label(handlers.row({i})));
  }
}

}  // namespace

Engine::Engine(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Engine::~Engine() {
  request_stop(Stop::goes_away);
  join();
}

const std::string& Engine::address() const { return parts_->address; }

Port& Engine::port(std::uint32_t index) {
  ensure(index < parts_->ports.size(), "Engine::port: more than EngineConfig::ports");
  return *parts_->ports[index];
}

void Engine::request_stop(Stop how) {
  parts_->unix_file.remove();
  for (ShardSender& sender : parts_->control) {
    std::ignore = sender.try_send(StopMail{how == Stop::restarts});
    sender.wake();
  }
}

// The shards first: while they end they may still need answers of the source and the application.
void Engine::join() {
  for (std::thread& thread : parts_->shard_threads)
    if (thread.joinable()) thread.join();
  for (std::size_t i = 0; i < parts_->running_application.size(); ++i) {
    if (!parts_->running_application[i].joinable()) continue;
    std::ignore = parts_->application_control[i].try_send(StopMail{});
    parts_->application_control[i].wake();
    parts_->running_application[i].join();
  }
  if (!parts_->source_thread.joinable()) return;
  std::ignore = parts_->source_control->try_send(StopMail{});
  parts_->source_control->wake();
  parts_->source_thread.join();
}

Result<std::unique_ptr<Engine>> Engine::start(Config config) {
  return start(std::move(config), Handlers(), 0, {});
}

Result<std::unique_ptr<Engine>> Engine::start(Config config, Handlers handlers) {
  const std::uint32_t ports = config.engine.ports;
  return start(std::move(config), std::move(handlers), ports, {});
}

Result<std::unique_ptr<Engine>> Engine::start(Config config, Application application) {
  const std::uint32_t threads = config.app.threads;
  config.engine.ports += threads;
  if (config.engine.ports > kPortsMax)
    return {Errc::validation, fmt::format("app.threads: with engine.ports they are {}, at most {}",
                                          config.engine.ports, kPortsMax)};
  Handlers handlers = application.table();
  return start(std::move(config), std::move(handlers), threads, std::move(application));
}

Result<std::unique_ptr<Engine>> Engine::start(Config config, Handlers handlers,
                                              std::uint32_t answering, Application application) {
  with_default_namespaces(config);
  if (config.engine.shards == 0) config.engine.shards = usable_cpus();
  if (!handlers.empty()) {
    if (answering == 0)
      return {Errc::validation, "engine.ports: handlers need a port that answers for them"};
    const std::uint32_t first = config.engine.shards + config.engine.ports - answering;
    handlers.answered_by({first}, answering);
  }
  auto services = make_services(std::move(config));
  if (!services) return services.error();
  services->handlers = std::move(handlers);
  auto engine = std::unique_ptr<Engine>(new Engine(std::make_unique<Parts>(std::move(*services))));
  Parts& parts = *engine->parts_;
  parts.application = std::move(application);
  if (auto wired = wire(parts); !wired) return wired.error();
  if (auto running = run(parts); !running) return running.error();
  return engine;
}

// Mailboxes, source and shards; nothing runs yet.
Result<void> Engine::wire(Parts& parts) {
  const Config& settings = parts.services.config;
  const std::uint32_t shards = settings.engine.shards;
  auto backend = io::choose_backend(wished(settings.engine.backend));
  if (!backend) return backend.error();
  parts.backend = *backend;
  auto listeners = bind(settings.listen);
  if (!listeners) return listeners.error();
  parts.address = listeners->front().address.to_string();
  parts.unix_file = std::move(listeners->back().file);
  auto store = make_store(settings);
  if (!store) return store.error();
  auto schemas = EventSchemas::load(settings.outbox);
  if (!schemas) return schemas.error();

  for (std::uint32_t i = 0; i < shards; ++i) {
    parts.wakeups.push_back(std::make_unique<Wakeup>());
    parts.mailboxes.push_back(std::make_unique<ShardMailbox>(*parts.wakeups.back()));
    parts.metrics.push_back(std::make_unique<ShardMetrics>());
    parts.metrics.back()->handlers.resize(parts.services.handlers.size());
    parts.control.push_back(parts.mailboxes.back()->open(kControlMax));
  }
  for (std::uint32_t i = 0; i < settings.engine.ports; ++i)
    parts.ports.push_back(std::make_unique<Port>(ShardIndex{shards + i}, settings));
  if (*store) {
    parts.source_mailbox = std::make_unique<Mailbox<SourceMail>>(parts.source_wakeup);
    parts.source_control = parts.source_mailbox->open(kControlMax);
    std::vector<ShardSender> to_shards;
    for (auto& mailbox : parts.mailboxes)
      to_shards.push_back(mailbox->open(settings.engine.mailbox_max));
    for (auto& port : parts.ports) to_shards.push_back(port->open_lane());
    parts.source = std::make_unique<Source>(
        SourceParts{std::move(*store), Mailbox<SourceMail>::Receiver(*parts.source_mailbox),
                    parts.source_wakeup, std::move(to_shards), settings, std::move(*schemas),
                    [&parts](const SourceStatus& status) {
                      count_source(parts.source_metrics, status);
                      parts.source_status.set(status);
                    }});
  }
  for (auto& port : parts.ports) port->connect(parts.mailboxes, parts.source_mailbox.get());
  if (!parts.application.empty())
    for (std::size_t i = parts.ports.size() - settings.app.threads; i < parts.ports.size(); ++i) {
      parts.application_control.push_back(parts.ports[i]->open_lane());
      parts.application_threads.push_back(
          std::make_unique<ApplicationThread>(parts.application, settings.app, *parts.ports[i]));
    }
  set_reports(parts);
  std::vector<Shard::Parts> made;
  for (std::uint32_t i = 0; i < shards; ++i) made.push_back(parts.of_shard(i));
  if (settings.engine.pin) pin(made);
  for (io::BoundListener& first : *listeners) {
    for (std::uint32_t i = 1; i < shards; ++i) {
      auto listener = io::open_listener(first);
      if (!listener) return listener.error();
      made[i].listeners.push_back(std::move(*listener));
    }
    made[0].listeners.push_back(std::move(first.socket));
  }
  for (Shard::Parts& shard : made)
    parts.shards.push_back(std::make_unique<Shard>(std::move(shard)));
  return {};
}

Result<void> Engine::run(Parts& parts) {
  std::vector<std::future<Result<std::string>>> started;
  for (auto& shard : parts.shards) {
    std::promise<Result<std::string>> promise;
    started.push_back(promise.get_future());
    const std::string name = fmt::format("shard {}", started.size() - 1);
    parts.shard_threads.emplace_back(
        [&shard = *shard, name, promise = std::move(promise)]() mutable {
          name_this_thread(name);
          const auto ran = shard.run([&](std::string ring) { promise.set_value(std::move(ring)); });
          if (!ran) promise.set_value(ran.error());
        });
  }
  for (std::size_t i = 0; i < started.size(); ++i) {
    auto ring = started[i].get();
    if (!ring) return ring.error();
    if (i == 0) log::info("{} shards on {}", started.size(), *ring);
  }
  const ListenConfig& listen = parts.services.config.listen;
  if (!listen.unix_path.empty())
    log::info("listening on unix:{}, mode {}", listen.unix_path, listen.unix_mode);
  run_application(parts);
  if (parts.source)
    parts.source_thread = std::thread([&parts] {
      name_this_thread("source");
      parts.source->run();
    });
  return {};
}

void Engine::run_application(Parts& parts) {
  for (auto& application : parts.application_threads) {
    const std::string name = fmt::format("app {}", parts.running_application.size());
    parts.running_application.emplace_back([&application = *application, name] {
      name_this_thread(name);
      application.run();
    });
  }
}

// What /metrics and /readyz ask: they read counters, in whatever thread the request came.
void Engine::set_reports(Parts& parts) {
  parts.services.readiness = [&parts] {
    Readiness readiness;
    if (parts.source) report_source(parts.source_status.get(), readiness);
    report_handlers(parts.services.handlers, parts.metrics, readiness);
    return readiness;
  };
  std::vector<const ShardMetrics*> shards;
  for (const auto& metrics : parts.metrics) shards.push_back(metrics.get());
  parts.exposition.emplace(std::move(shards), parts.source ? &parts.source_metrics : nullptr,
                           close_reason_labels(), handler_labels(parts.services.handlers));
  parts.services.metrics_text = [&parts] { return parts.exposition->text(); };
}

}  // namespace ringcast
