// What a question found: every value of every round, and their medians.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringcast::bench {

// Rows and columns in the order in which they were named first. Thread: its owner's.
class Table {
 public:
  void add(std::string_view row, std::string_view column, double value);
  [[nodiscard]] double median_of(std::string_view row, std::string_view column) const;
  [[nodiscard]] double last(std::string_view row, std::string_view column) const;
  // For people: medians, with the range where there are several.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string json() const;

 private:
  using Values = std::vector<double>;
  using Row = std::vector<std::pair<std::string, Values>>;
  [[nodiscard]] const Values& values(std::string_view row, std::string_view column) const;
  std::vector<std::pair<std::string, Row>> rows_;
};

}  // namespace ringcast::bench
