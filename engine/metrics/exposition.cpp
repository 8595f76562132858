#include "metrics/exposition.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <span>
#include <sstream>

#include "base/clock.hpp"

namespace ringcast {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Shards = std::span<const ShardMetrics* const>;

// One line of /metrics for each row, with at most one label. Rows of one name stand together.
template <class Metrics, class Instrument>
struct Row {
  const char* name;
  const char* help;
  Instrument Metrics::*field;
  const char* label = "";
  const char* value = "";
};

using S = ShardMetrics;
constexpr Row<S, Counter> kShardCounters[] = {
    {"ringcast_connections_accepted_total", "Connections accepted.", &S::accepted},
    {"ringcast_connections_closed_total", "Connections closed.", &S::closed},
    {"ringcast_connections_refused_total", "Connections closed at once, by why.",
     &S::refused_at_connections_max, "reason", "connections_max"},
    {"ringcast_connections_refused_total", "Connections closed at once, by why.",
     &S::refused_at_address_max, "reason", "connections_per_address_max"},
    {"ringcast_connections_refused_total", "Connections closed at once, by why.",
     &S::refused_while_stopping, "reason", "stop"},
    {"ringcast_websockets_opened_total", "WebSocket connections opened.", &S::websockets_opened},
    {"ringcast_streams_opened_total", "Server-Sent Events streams opened.", &S::streams_opened},
    {"ringcast_upgrades_refused_total", "WebSocket upgrades refused.", &S::upgrades_refused},
    {"ringcast_http_requests_total", "HTTP requests read.", &S::http_requests},
    {"ringcast_http_refused_total", "HTTP requests refused as malformed or too large.",
     &S::http_refused},
    {"ringcast_slow_consumers_total", "Connections closed because they did not read in time.",
     &S::slow_consumers},
    {"ringcast_evicted_total", "Those of them that held the most at pinned_bytes_max.",
     &S::evicted},
    {"ringcast_received_bytes_total", "Bytes received from clients.", &S::bytes_received},
    {"ringcast_received_frames_total", "WebSocket frames received.", &S::frames_received},
    {"ringcast_received_messages_total", "Messages received from clients.", &S::messages_received},
    {"ringcast_published_total", "Events published, by where they came from.",
     &S::published_by_source, "from", "outbox"},
    {"ringcast_published_total", "Events published, by where they came from.",
     &S::published_by_clients, "from", "clients"},
    {"ringcast_duplicates_total", "Events dropped because they were published before.",
     &S::duplicates_dropped},
    {"ringcast_rooms_refused_total", "Publishes and subscriptions refused for rooms_max.",
     &S::rooms_refused},
    {"ringcast_answers_dropped_total", "Answers whose connection had gone.", &S::answers_to_gone},
    {"ringcast_recoveries_total", "Subscriptions with a position, by outcome.", &S::recovered,
     "recovered", "true"},
    {"ringcast_recoveries_total", "Subscriptions with a position, by outcome.", &S::not_recovered,
     "recovered", "false"},
    {"ringcast_gaps_total", "Gaps announced, by reason.", &S::gaps_overflow, "reason", "overflow"},
    {"ringcast_gaps_total", "Gaps announced, by reason.", &S::gaps_expired, "reason", "expired"},
    {"ringcast_gaps_total", "Gaps announced, by reason.", &S::gaps_conflated, "reason",
     "conflated"},
    {"ringcast_gaps_total", "Gaps announced, by reason.", &S::gaps_shard, "reason", "shard"},
    {"ringcast_slow_dropped_total", "Events that slow subscribers lost, by slow_policy.",
     &S::slow_dropped_oldest, "policy", "drop_oldest"},
    {"ringcast_slow_dropped_total", "Events that slow subscribers lost, by slow_policy.",
     &S::slow_dropped_latest, "policy", "latest"},
    {"ringcast_slow_conflated_total", "Events that a newer one with their key replaced.",
     &S::slow_conflated},
    {"ringcast_frames_encoded_total", "Frames encoded, once for all their subscribers.",
     &S::frames_encoded},
    {"ringcast_frames_compressed_total", "Of these, those that permessage-deflate made smaller.",
     &S::frames_compressed},
    {"ringcast_batches_total", "Batches of frames made.", &S::batches},
    {"ringcast_deliveries_total", "Events handed to connections.", &S::deliveries},
    {"ringcast_sends_total", "Sends to sockets.", &S::sends},
    {"ringcast_short_sends_total", "Sends that a socket did not take whole.", &S::short_sends},
    {"ringcast_sent_bytes_total", "Bytes that sockets took.", &S::bytes_sent},
    {"ringcast_ticks_total", "Turns of the shards' loops.", &S::ticks},
    {"ringcast_wakeups_total", "Times that an idle shard was woken.", &S::wakeups},
    {"ringcast_mail_handled_total", "Messages taken from the shards' mailboxes.", &S::mail_handled},
    {"ringcast_mailbox_blocked_total", "Messages that found no place at another shard.",
     &S::mailbox_blocked},
    {"ringcast_calls_unknown_total", "Calls whose event no handler answers.", &S::calls_unknown},
    {"ringcast_app_answers_late_total", "Answers of the application that came too late.",
     &S::app_answers_late},
    {"ringcast_app_verdicts_remembered_total",
     "Subscriptions judged by what the application had said before.", &S::verdicts_remembered},
    {"ringcast_app_disconnects_lost_total",
     "Ends of connections that the application was too busy to be told.", &S::disconnects_lost},
    {"ringcast_shard_stalls_total", "Shards found to drain nothing.", &S::shard_stalls},
};

constexpr Row<S, Gauge> kShardGauges[] = {
    {"ringcast_mailbox_depth", "Messages that wait in the shards' mailboxes.", &S::mailbox_depth},
    {"ringcast_rooms", "Rooms at their home shards.", &S::rooms},
    {"ringcast_subscriptions", "Subscriptions of connections to rooms.", &S::subscriptions},
    {"ringcast_pinned_bytes", "Bytes that blocked sockets hold on to.", &S::pinned_bytes},
};

using O = SourceMetrics;
constexpr Row<O, Counter> kSourceCounters[] = {
    {"ringcast_outbox_windows_total", "Windows of outbox rows delivered.", &O::windows},
    {"ringcast_outbox_rows_total", "Outbox rows read.", &O::rows},
    {"ringcast_outbox_events_total", "Events made from outbox rows.", &O::events},
    {"ringcast_outbox_replayed_total", "Rows replayed at start.", &O::replayed},
    {"ringcast_outbox_appended_total", "Rows written for publishers.", &O::appended},
    {"ringcast_outbox_polls_total", "Looks at the table, by what they found.", &O::polls_empty,
     "found", "nothing"},
    {"ringcast_outbox_polls_total", "Looks at the table, by what they found.", &O::polls_full,
     "found", "rows"},
    {"ringcast_store_opens_total", "Times the store was opened.", &O::opens},
    {"ringcast_store_open_failures_total", "Times the store could not be opened.",
     &O::open_failures},
};

MetricFamily& family(std::vector<MetricFamily>& families, const char* name, const char* help,
                     MetricType type) {
  if (families.empty() || families.back().name != name) families.push_back({name, help, type, {}});
  return families.back();
}

ClientMetric labelled(const char* label, std::string_view value) {
  ClientMetric metric;
  if (*label != '\0') metric.label.push_back({label, std::string(value)});
  return metric;
}

void add_counter(std::vector<MetricFamily>& families, const char* name, const char* help,
                 double value, const char* label = "", std::string_view label_value = {}) {
  ClientMetric metric = labelled(label, label_value);
  metric.counter.value = value;
  family(families, name, help, MetricType::Counter).metric.push_back(std::move(metric));
}

void add_gauge(std::vector<MetricFamily>& families, const char* name, const char* help,
               double value, const char* label = "", std::string_view label_value = {}) {
  ClientMetric metric = labelled(label, label_value);
  metric.gauge.value = value;
  family(families, name, help, MetricType::Gauge).metric.push_back(std::move(metric));
}

template <class Read>
std::uint64_t sum(Shards shards, Read read) {
  std::uint64_t total = 0;
  for (const ShardMetrics* shard : shards) total += read(*shard);
  return total;
}

// `unit` is how many of what was recorded make one of what is shown: 1e9 for seconds of
// nanoseconds.
template <std::uint64_t First, std::size_t Buckets>
void add_histogram(std::vector<MetricFamily>& families, const char* name, const char* help,
                   Shards shards, Histogram<First, Buckets> ShardMetrics::*field, double unit) {
  ClientMetric metric;
  std::uint64_t below = 0;
  for (std::size_t bucket = 0; bucket <= Buckets; ++bucket) {
    below += sum(shards, [&](const ShardMetrics& shard) { return (shard.*field).count(bucket); });
    if (bucket < Buckets)
      metric.histogram.bucket.push_back(
          {below, static_cast<double>(Histogram<First, Buckets>::bound(bucket)) / unit});
  }
  metric.histogram.sample_count = below;
  metric.histogram.sample_sum =
      static_cast<double>(
          sum(shards, [&](const ShardMetrics& shard) { return (shard.*field).sum(); })) /
      unit;
  family(families, name, help, MetricType::Histogram).metric.push_back(std::move(metric));
}

void add_shards(std::vector<MetricFamily>& families, Shards shards,
                std::span<const std::string_view> close_reasons) {
  add_gauge(families, "ringcast_shards", "Threads that serve connections.",
            static_cast<double>(shards.size()));
  // Closed first: a connection that is accepted in between must not make this negative.
  const auto closed = sum(shards, [](const S& shard) { return shard.closed.value(); });
  const auto accepted = sum(shards, [](const S& shard) { return shard.accepted.value(); });
  add_gauge(families, "ringcast_connections", "Connections open now.",
            static_cast<double>(accepted - std::min(closed, accepted)));
  for (const auto& row : kShardGauges)
    add_gauge(families, row.name, row.help, static_cast<double>(sum(shards, [&](const S& shard) {
                return (shard.*row.field).value();
              })));
  for (const auto& row : kShardCounters)
    add_counter(families, row.name, row.help,
                static_cast<double>(
                    sum(shards, [&](const S& shard) { return (shard.*row.field).value(); })),
                row.label, row.value);
  for (std::size_t i = 0; i < close_reasons.size(); ++i)
    add_counter(families, "ringcast_closed_by_reason_total", "Connections that were ended, by why.",
                static_cast<double>(sum(
                    shards, [i](const S& shard) { return shard.closed_by_position(i).value(); })),
                "reason", close_reasons[i]);
  for (std::size_t i = 0; i < kErrcs; ++i) {
    const auto code = static_cast<Errc>(i);
    add_counter(families, "ringcast_errors_total", "Errors told to clients, by code.",
                static_cast<double>(
                    sum(shards, [code](const S& shard) { return shard.errors(code).value(); })),
                "code", error_code(code).code);
  }
  add_histogram(families, "ringcast_commit_to_socket_seconds",
                "From the insert of a row to the sends of its event.", shards, &S::commit_to_socket,
                1e9);
  add_histogram(families, "ringcast_tick_events", "Events delivered in one turn of a loop.", shards,
                &S::tick_events, 1);
}

// One line for each handler, and for each code that it was ever answered with.
void add_handlers(std::vector<MetricFamily>& families, Shards shards,
                  std::span<const std::string> names) {
  const auto total = [&](std::size_t row, auto read) {
    return static_cast<double>(
        sum(shards, [&](const S& shard) { return read(shard.handlers[row]).value(); }));
  };
  for (std::size_t row = 0; row < names.size(); ++row)
    add_counter(families, "ringcast_app_calls_total",
                "Calls and hooks handed to the application, by handler.",
                total(row, [](const HandlerMetrics& m) -> auto& { return m.calls; }), "handler",
                names[row]);
  for (std::size_t row = 0; row < names.size(); ++row)
    add_counter(families, "ringcast_app_timeouts_total",
                "Those of them that were not answered in time.",
                total(row, [](const HandlerMetrics& m) -> auto& { return m.timeouts; }), "handler",
                names[row]);
  for (std::size_t row = 0; row < names.size(); ++row)
    add_gauge(families, "ringcast_app_handler_broken",
              "Shards that refuse calls of the handler because it crashes too often.",
              total(row, [](const HandlerMetrics& m) -> auto& { return m.broken; }), "handler",
              names[row]);
  const auto add_errors = [&](std::size_t row, std::string_view code, double errors) {
    if (errors == 0) return;
    add_counter(families, "ringcast_app_errors_total",
                "Calls and hooks that failed, by handler and code; own: the application's codes.",
                errors, "handler", names[row]);
    families.back().metric.back().label.push_back({"code", std::string(code)});
  };
  for (std::size_t row = 0; row < names.size(); ++row) {
    for (std::size_t i = 0; i < kErrcs; ++i)
      add_errors(row, error_code(static_cast<Errc>(i)).code,
                 total(row, [i](const HandlerMetrics& m) -> auto& { return m.errors[i]; }));
    add_errors(row, "own",
               total(row, [](const HandlerMetrics& m) -> auto& { return m.own_errors; }));
  }
}

// Reckoned when somebody asks, so that it grows while the source stands still.
double lag_seconds(const SourceMetrics& source) {
  const std::uint64_t since = source.behind_since_us.value();
  const auto now = SystemClock{}.wall().time_since_epoch().count();
  const auto age = now - static_cast<std::int64_t>(since);
  return since == 0 || age < 0 ? 0 : static_cast<double>(age) / 1e6;
}

void add_source(std::vector<MetricFamily>& families, const SourceMetrics& source) {
  add_gauge(families, "ringcast_outbox_ready", "1 if the store is open and replayed.",
            static_cast<double>(source.ready.value()));
  add_gauge(families, "ringcast_outbox_lag_seconds",
            "Age of the oldest row that was found and is not with the shards yet.",
            lag_seconds(source));
  add_gauge(families, "ringcast_outbox_window_rows", "Rows of the last window that had any.",
            static_cast<double>(source.window_rows.value()));
  add_gauge(families, "ringcast_outbox_dead_letters", "Failed rows that wait for an operator.",
            static_cast<double>(source.dead_letters.value()));
  add_gauge(families, "ringcast_outbox_held_rows",
            "Rows that wait behind a failed one of their aggregate.",
            static_cast<double>(source.held_rows.value()));
  add_gauge(families, "ringcast_outbox_held_aggregates",
            "Aggregates held up by a failed row until an operator retries or drops it.",
            static_cast<double>(source.held_aggregates.value()));
  add_gauge(families, "ringcast_outbox_oldest_transaction_seconds",
            "Age of the transaction of the database that is open longest.",
            static_cast<double>(source.oldest_transaction_ms.value()) / 1e3);
  for (std::size_t i = 0; i < kFailReasons.size(); ++i)
    add_counter(families, "ringcast_outbox_rows_failed_total",
                "Outbox rows that can not be delivered, by reason.",
                static_cast<double>(source.rows_failed[i].value()), "reason", kFailReasons[i]);
  for (const auto& row : kSourceCounters)
    add_counter(families, row.name, row.help, static_cast<double>((source.*row.field).value()),
                row.label, row.value);
  add_counter(families, "ringcast_outbox_blocked_seconds_total",
              "Time that reading waited for a shard.",
              static_cast<double>(source.blocked_ms.value()) / 1e3);
}

}  // namespace

Exposition::Exposition(std::vector<const ShardMetrics*> shards, const SourceMetrics* source,
                       std::vector<std::string_view> close_reasons,
                       std::vector<std::string> handlers)
    : shards_(std::move(shards)),
      source_(source),
      close_reasons_(std::move(close_reasons)),
      handlers_(std::move(handlers)) {
  ensure(close_reasons_.size() <= kCloseReasonsMax, "more close reasons than counters");
}

std::string Exposition::text() const {
  std::vector<MetricFamily> families;
  add_shards(families, shards_, close_reasons_);
  add_handlers(families, shards_, handlers_);
  if (source_ != nullptr) add_source(families, *source_);
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families);
  return std::move(out).str();
}

}  // namespace ringcast
