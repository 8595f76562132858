#include "json_rows.hpp"

#include <fmt/format.h>

#include <random>
#include <string_view>

namespace ringcast::bench {

std::string json_rows(std::size_t bytes, unsigned seed) {
  constexpr std::string_view kWords[] = {"kitchen",  "invoice", "shipment", "pending",  "ready",
                                         "delayed",  "order",   "customer", "approved", "table",
                                         "assigned", "blocked", "priority", "driver",   "route"};
  std::mt19937 random(seed);
  const auto word = [&] { return kWords[random() % std::size(kWords)]; };
  std::string json = "[";
  while (json.size() + 150 < bytes)
    json += fmt::format(R"({{"id":{},"title":"{} {} {}","status":"{}","amount":{}.{:02},)"
                        R"("updatedAt":"2026-11-{:02}T{:02}:{:02}:00Z"}},)",
                        random() % 1'000'000, word(), word(), word(), word(), random() % 10'000,
                        random() % 100, 1 + random() % 28, random() % 24, random() % 60);
  json += "\"";
  while (json.size() + 2 < bytes) (json += word()) += ' ';
  return json.substr(0, bytes - 2) + "\"]";
}

}  // namespace ringcast::bench
