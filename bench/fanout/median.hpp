// The middle of an odd number of repetitions.
#pragma once

#include <algorithm>
#include <vector>

namespace ringcast::bench {

// Of at least one value. Thread: any.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace ringcast::bench
