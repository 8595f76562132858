#include <fmt/format.h>

#include <optional>

#include "outbox/drain.hpp"
#include "outbox/question.hpp"

namespace ringcast::bench {

namespace {

constexpr int kWriters = 8;

// With the snapshot held since before the rows were written, or without.
Result<void> ask(const Settings& settings, bool held, Table& table) {
  const std::string_view column = held ? ", held" : "";
  std::optional<Database> holder;
  if (held) {
    auto session = Database::hold_snapshot(settings.store);
    if (!session) return session.error();
    holder.emplace(std::move(session).value());
  }
  for (const auto& [name, layout] :
       {std::pair{"ringcast", Layout::ringcast}, std::pair{"SKIP LOCKED", Layout::skip_locked}}) {
    const Contender contender{name, layout, settings.store};
    auto rows = Rows::open(settings.store, layout, kTenants);
    if (!rows) return rows.error();
    if (auto empty = (*rows)->clear(); !empty) return empty;
    if (auto filled = (*rows)->fill(settings.rows); !filled) return filled;
    const auto drained = drain_to_subscriber(contender, settings);
    if (!drained) return drained.error();
    if (auto empty = (*rows)->clear(); !empty) return empty;
    table.add(name, fmt::format("backlog, rows/s{}", column), drained->rows_a_second);
    table.add(name, fmt::format("backlog, CPU us a row{}", column), drained->cpu_us_a_row);
    table.add(name, fmt::format("backlog, PostgreSQL us{}", column), drained->server_us_a_row);
    fmt::print("  {:<12}{} backlog {:.0f} rows/s\n", name, column, drained->rows_a_second);
  }
  const auto steady = write_rows(settings, kWriters, Reader::ringcast);
  if (!steady) return steady.error();
  table.add("ringcast", fmt::format("steady, rows/s{}", column), steady->commits_a_second);
  table.add("ringcast", fmt::format("steady, CPU us a row{}", column),
            (steady->daemon_share + steady->sessions_share) * 1e6 / steady->commits_a_second);
  fmt::print("  {:<12}{} steady {:.0f} rows/s\n", "ringcast", column, steady->commits_a_second);
  return {};
}

void add_ratio(Table& table, std::string_view row, const std::string& column) {
  table.add(row, fmt::format("{}, held to free", column),
            table.last(row, column + ", held") / table.last(row, column));
}

}  // namespace

Result<Table> ask_snapshot(const Settings& settings) {
  for (const Layout layout : {Layout::ringcast, Layout::skip_locked})
    if (auto made = prepare({"", layout, settings.store}, settings, kTenants); !made)
      return made.error();
  Table table;
  for (int i = 0; i < settings.repetitions; ++i) {
    for (const bool held : {i % 2 == 0, i % 2 != 0})
      if (auto done = ask(settings, held, table); !done) return done.error();
    add_ratio(table, "ringcast", "backlog, rows/s");
    add_ratio(table, "ringcast", "steady, rows/s");
    add_ratio(table, "SKIP LOCKED", "backlog, rows/s");
  }
  return table;
}

}  // namespace ringcast::bench
