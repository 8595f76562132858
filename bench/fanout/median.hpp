// The middle of repetitions.
#pragma once

#include <algorithm>
#include <vector>

namespace ringcast::bench {

// Of at least one value; of an even number the mean of the two in the middle. Thread: any.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace ringcast::bench
