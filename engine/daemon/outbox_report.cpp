#include "daemon/outbox_report.hpp"

#include <fmt/format.h>

#include "daemon/printable.hpp"
#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

std::string_view word(DeadLetter::State state) {
  switch (state) {
    case DeadLetter::State::held:
      return "held";
    case DeadLetter::State::dead:
      return "dead";
    case DeadLetter::State::redriven:
      return "redriven";
    case DeadLetter::State::dropped:
      return "dropped";
  }
  return "unknown";
}

// Appends ,"name":value; the value is JSON.
void append_raw(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  out += value;
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return append_raw(out, name, "null");
  // A file may hold what no application should have written.
  append_json_field(out, name, is_valid_utf8(value) ? value : "(not UTF-8)");
}

void append_id(std::string& out, std::string_view name, const std::optional<std::int64_t>& id) {
  append_raw(out, name, id ? std::to_string(*id) : "null");
}

std::string seconds(double value) { return fmt::format("{:.3f}", value); }

}  // namespace

std::string overview_text(const OutboxOverview& overview) {
  std::string out = fmt::format("store        {}\nepoch        {}\ndelivered    up to offset {}\n",
                                printable(overview.store), overview.epoch, overview.delivered);
  out += fmt::format("pending      {} rows", overview.pending);
  if (overview.pending_seconds)
    out += fmt::format(", the oldest for {} s", seconds(*overview.pending_seconds));
  out += fmt::format("\ndead         {} letters\nheld         {} rows behind {} of them\n",
                     overview.dead, overview.held, overview.holds);
  if (const auto& window = overview.last_window)
    out += fmt::format("last window  no {}, {} rows, {} s ago\n", window->no, window->rows,
                       seconds(window->seconds_ago));
  if (const auto& open = overview.oldest_transaction)
    out += fmt::format("open longest pid {} ({}), {} s\n", open->pid, printable(open->application),
                       seconds(open->seconds));
  for (const OutboxOverview::Daemon& daemon : overview.daemons)
    out += fmt::format("daemon       {}, {}, lease {} s\n", printable(daemon.name),
                       daemon.armed ? "asleep" : "awake", seconds(daemon.lease_seconds));
  return out;
}

std::string overview_json(const OutboxOverview& overview) {
  std::string out = "{";
  append_text(out, "store", overview.store);
  append_text(out, "epoch", overview.epoch);
  append_raw(out, "delivered", std::to_string(overview.delivered));
  append_raw(out, "pendingRows", std::to_string(overview.pending));
  append_raw(out, "pendingSeconds",
             overview.pending_seconds ? seconds(*overview.pending_seconds) : "null");
  append_raw(out, "dead", std::to_string(overview.dead));
  append_raw(out, "heldRows", std::to_string(overview.held));
  append_raw(out, "holds", std::to_string(overview.holds));
  const auto& window = overview.last_window;
  append_raw(out, "lastWindow",
             window ? fmt::format(R"({{"no":{},"rows":{},"secondsAgo":{}}})", window->no,
                                  window->rows, seconds(window->seconds_ago))
                    : "null");
  std::string transaction = "null";
  if (const auto& open = overview.oldest_transaction) {
    transaction = "{";
    append_raw(transaction, "pid", std::to_string(open->pid));
    append_text(transaction, "application", open->application);
    append_raw(transaction, "seconds", seconds(open->seconds));
    transaction += '}';
  }
  append_raw(out, "oldestTransaction", transaction);
  std::string daemons;
  for (const OutboxOverview::Daemon& daemon : overview.daemons) {
    daemons += daemons.empty() ? "{" : ",{";
    append_text(daemons, "name", daemon.name);
    append_raw(daemons, "asleep", daemon.armed ? "true" : "false");
    append_raw(daemons, "leaseSeconds", seconds(daemon.lease_seconds));
    daemons += '}';
  }
  append_raw(out, "daemons", "[" + daemons + "]");
  return out + "}\n";
}

std::string letter_line(const DeadLetter& letter) {
  const auto or_dash = [](const std::string& text) {
    return text.empty() ? std::string("-") : printable(text);
  };
  return fmt::format("{} {} {} {} {} {} {} {}\n", letter.id, word(letter.state), letter.last_at,
                     letter.attempts, or_dash(letter.tenant_id), or_dash(letter.event_type),
                     printable(letter.reason), printable(letter.error));
}

std::string letter_text(const DeadLetter& letter) {
  const auto line = [](std::string_view name, std::string_view value) {
    return value.empty() ? std::string() : fmt::format("{:<12} {}\n", name, printable(value));
  };
  std::string out = line("id", std::to_string(letter.id)) + line("state", word(letter.state));
  if (letter.redriven_as) out += line("redriven as", std::to_string(*letter.redriven_as));
  if (letter.redrive_of) out += line("redrive of", std::to_string(*letter.redrive_of));
  out += line("reason", letter.reason) + line("error", letter.error);
  out += line("attempts", std::to_string(letter.attempts));
  out += line("first failed", letter.first_at) + line("last changed", letter.last_at);
  out += line("event id", letter.event_id) + line("tenant", letter.tenant_id);
  out +=
      line("aggregate",
           letter.aggregate_type.empty() ? "" : letter.aggregate_type + " " + letter.aggregate_id);
  out += line("event type", letter.event_type) + line("room", letter.room);
  out += line("payload", fmt::format("{} octets", letter.payload_bytes));
  return out + printable(letter.payload) + '\n';
}

std::string letter_json(const DeadLetter& letter, WithPayload payload) {
  std::string out = "{";
  append_raw(out, "id", std::to_string(letter.id));
  append_text(out, "state", word(letter.state));
  append_id(out, "redrivenAs", letter.redriven_as);
  append_id(out, "redriveOf", letter.redrive_of);
  append_text(out, "reason", letter.reason);
  append_text(out, "error", letter.error);
  append_raw(out, "attempts", std::to_string(letter.attempts));
  append_text(out, "firstAt", letter.first_at);
  append_text(out, "lastAt", letter.last_at);
  append_text(out, "eventId", letter.event_id);
  append_text(out, "tenantId", letter.tenant_id);
  append_text(out, "aggregateType", letter.aggregate_type);
  append_text(out, "aggregateId", letter.aggregate_id);
  append_text(out, "eventType", letter.event_type);
  append_text(out, "room", letter.room);
  append_raw(out, "payloadBytes", std::to_string(letter.payload_bytes));
  if (payload == WithPayload::yes) append_text(out, "payload", letter.payload);
  return out + "}\n";
}

}  // namespace ringcast
