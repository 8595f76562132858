// Compressed messages, read once for a whole crowd.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast::bench {

// The texts of compressed messages. Everybody in a room gets the same octets, so all but the first
// are only compared: a generator that inflated each would be slower than the server.
// Thread: its owner's. Keeps at most kKeptMax and then begins anew.
class InflatedFrames {
 public:
  // Valid until the next call. Error if it is no DEFLATE.
  Result<std::string_view> text_of(std::string_view compressed);

 private:
  static constexpr std::size_t kKeptMax = 256;
  std::map<std::string, std::string, std::less<>> texts_;
};

}  // namespace ringcast::bench
