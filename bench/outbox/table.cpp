#include "outbox/table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ensure.hpp"
#include "fanout/median.hpp"

namespace ringcast::bench {

namespace {

template <class Named>
auto find(Named& all, std::string_view name) {
  return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first == name; });
}

template <class Named>
auto& named(Named& all, std::string_view name) {
  auto found = find(all, name);
  if (found != all.end()) return found->second;
  return all.emplace_back(name, typename Named::value_type::second_type{}).second;
}

// Three digits that say something.
std::string rounded(double value) {
  return std::abs(value) >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

}  // namespace

void Table::add(std::string_view row, std::string_view column, double value) {
  named(named(rows_, row), column).push_back(value);
}

const Table::Values& Table::values(std::string_view row, std::string_view column) const {
  const auto in = find(rows_, row);
  ensure(in != rows_.end(), "a row that has values");
  const auto at = find(in->second, column);
  ensure(at != in->second.end(), "a column that has values");
  return at->second;
}

double Table::median_of(std::string_view row, std::string_view column) const {
  return median(values(row, column));
}

double Table::last(std::string_view row, std::string_view column) const {
  return values(row, column).back();
}

std::string Table::text() const {
  std::string out;
  for (const auto& [name, row] : rows_) {
    out += fmt::format("{}\n", name);
    for (const auto& [column, values] : row) {
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      out += fmt::format("  {:<28} {:>10}", column, rounded(median(values)));
      if (values.size() > 1) out += fmt::format("   {} to {}", rounded(*least), rounded(*most));
      out += '\n';
    }
  }
  return out;
}

std::string Table::json() const {
  std::string out;
  for (const auto& [name, row] : rows_) {
    out += fmt::format(R"({}"{}":{{)", out.empty() ? "{" : ",", name);
    bool first = true;
    for (const auto& [column, values] : row) {
      out += fmt::format(R"({}"{}":{{"median":{:.4g},"all":[)", first ? "" : ",", column,
                         median(values));
      for (std::size_t i = 0; i < values.size(); ++i)
        out += fmt::format("{}{:.4g}", i == 0 ? "" : ",", values[i]);
      out += "]}";
      first = false;
    }
    out += '}';
  }
  return out + "}";
}

}  // namespace ringcast::bench
