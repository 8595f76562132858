// What no single key can say about a configuration: which values make no sense together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "config/load.hpp"

namespace ringcast {

// Where the daemon listens.
struct ListenAddress {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
};

// HOST:PORT or [IPv6]:PORT, as in `listen.address`. Thread: any.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

// An octal mode of a file: "660", "0660". Thread: any.
[[nodiscard]] Result<std::uint32_t> parse_file_mode(std::string_view text);

// Can only this machine reach it? 127.0.0.0/8 (also mapped into IPv6), ::1 and `localhost`.
[[nodiscard]] bool is_loopback(std::string_view host);

// `*`, or 1 to 120 of A-Z a-z 0-9 _ . ~ -.
Result<void> check_namespace_name(std::string_view name);

// Every mistake that is one for `dev` and `serve` alike; `where` is the key. Thread: start-up.
[[nodiscard]] std::vector<ConfigProblem> check_config(const Config& config);

// What `serve` refuses besides: an address that others can reach, and no way to tell who they are.
// The texts name the ways on. Thread: start-up.
[[nodiscard]] std::vector<ConfigProblem> check_serve(const Config& config);

}  // namespace ringcast
