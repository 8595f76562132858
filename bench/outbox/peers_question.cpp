#include <fmt/format.h>

#include "outbox/drain.hpp"
#include "outbox/question.hpp"

namespace ringcast::bench {

Result<Table> ask_peers(const Settings& settings) {
  std::vector<Contender> all{{"ringcast", Layout::ringcast, settings.store},
                             {"bare", Layout::bare, settings.store},
                             {"SKIP LOCKED, 100", Layout::skip_locked, settings.store, 100},
                             {"SKIP LOCKED, 1000", Layout::skip_locked, settings.store, 1'000}};
  if (!settings.centrifugo.empty())
    all.push_back({"Centrifugo", Layout::centrifugo, settings.store});
  std::vector<std::unique_ptr<Rows>> tables;
  for (const Contender& one : all) {
    auto rows = prepare(one, settings, kTenants);
    if (!rows) return rows.error();
    tables.push_back(std::move(rows).value());
  }
  Table table;
  for (int i = 0; i < settings.repetitions; ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      if (auto empty = tables[k]->clear(); !empty) return empty.error();
      if (auto filled = tables[k]->fill(settings.rows); !filled) return filled.error();
      const auto drained = drain_to_subscriber(all[k], settings);
      if (!drained) return Error{drained.error().code, all[k].name + ": " + drained.error().detail};
      if (auto empty = tables[k]->clear(); !empty) return empty.error();
      table.add(all[k].name, "rows/s", drained->rows_a_second);
      table.add(all[k].name, "CPU us a row", drained->cpu_us_a_row);
      table.add(all[k].name, "PostgreSQL us a row", drained->server_us_a_row);
      table.add(all[k].name, "ringcast's rows/s to its",
                table.last("ringcast", "rows/s") / drained->rows_a_second);
      fmt::print("  {:<18} {:>9.0f} rows/s  {:.2f} us  PostgreSQL {:.2f} us\n", all[k].name,
                 drained->rows_a_second, drained->cpu_us_a_row, drained->server_us_a_row);
    }
  }
  return table;
}

}  // namespace ringcast::bench
