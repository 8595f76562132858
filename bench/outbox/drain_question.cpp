#include <fmt/format.h>

#include "outbox/drain.hpp"
#include "outbox/question.hpp"

namespace ringcast::bench {

// A scan before each drain, so that both meet the same minute.
Result<Table> ask_drain(const Settings& settings) {
  const Contender ringcast{"ringcast", Layout::ringcast, settings.store};
  auto rows = prepare(ringcast, settings, kTenants);
  if (!rows) return rows.error();
  if (!settings.keep)
    if (auto filled = (*rows)->fill(settings.rows); !filled) return filled.error();
  Table table;
  for (int i = 0; i < settings.repetitions; ++i) {
    for (const bool heard : {false, true}) {
      // While SQLite's rows are replayed nobody can be subscribed.
      if (heard && settings.store.starts_with("sqlite:")) continue;
      const auto scanned = (*rows)->scan(settings.rows);
      if (!scanned) return scanned.error();
      if (auto done = (*rows)->rewind(); !done) return done.error();
      const double limit = static_cast<double>(settings.rows) / *scanned;
      const auto drained =
          heard ? drain_to_subscriber(ringcast, settings) : drain_unheard(ringcast, settings);
      if (!drained) return drained.error();
      const std::string_view row = heard ? "one subscriber" : "no subscriber";
      table.add("limit", "rows/s", limit);
      table.add(row, "rows/s", drained->rows_a_second);
      table.add(row, "of the limit", drained->rows_a_second / limit);
      table.add(row, "CPU us a row", drained->cpu_us_a_row);
      if (heard) table.add(row, "PostgreSQL us a row", drained->server_us_a_row);
      fmt::print("  {:<15} limit {:>9.0f} drain {:>9.0f} rows/s  {:.2f} us\n", row, limit,
                 drained->rows_a_second, drained->cpu_us_a_row);
    }
  }
  return table;
}

}  // namespace ringcast::bench
