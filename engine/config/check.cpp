#include "config/check.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace ringcast {

namespace {

constexpr std::size_t kSecretBytesMin = 32;        // RFC 7518 section 3.2
constexpr std::size_t kPublicApiKeyBytesMin = 16;  // 96 bits and more, as base64

bool is_part_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '~' || c == '-';
}

bool has_store_url_form(std::string_view url) {
  for (const std::string_view scheme : {"sqlite:", "postgresql://", "postgres://"})
    if (url.starts_with(scheme) && url.size() > scheme.size()) return true;
  return false;
}

// RFC 6454 section 6.2, as browsers send it: lower case, no path, no slash at the end. Browsers
// leave out the usual port, so an origin that has it would never match.
bool is_origin(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) return false;
  const std::string_view scheme = text.substr(0, scheme_end);
  const std::string_view authority = text.substr(scheme_end + 3);
  if (authority.empty() || authority.find_first_of("/?#@*, \t\"\\") != std::string_view::npos)
    return false;
  if (scheme == "http" && authority.ends_with(":80")) return false;
  if (scheme == "https" && authority.ends_with(":443")) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) <= 0x20 ||
           static_cast<unsigned char>(c) >= 0x7f;
  });
}

void check_store(const Config& config, std::vector<ConfigProblem>& problems) {
  if (!config.store.url.empty() && !has_store_url_form(config.store.url))
    problems.push_back(
        {"store.url", "found another form, expected sqlite:PATH or postgresql://..."});
  for (const NamespaceConfig& row : config.namespaces)
    if (row.history == HistoryKind::store && config.store.url.empty())
      problems.push_back({fmt::format("namespace.{}.history", row.name),
                          "found \"store\" without a store, expected store.url to be set, or "
                          "\"memory\" or \"none\""});
  if (config.outbox.mode == OutboxMode::status && config.store.url.starts_with("sqlite:"))
    problems.push_back({"outbox.mode",
                        "found status with a SQLite store, expected window: there ids follow the "
                        "commits, and the view ringcast_outbox_status shows the same words"});
  if (config.outbox.unknown_events == UnknownEvents::reject && config.outbox.schemas.empty())
    problems.push_back({"outbox.unknown_events",
                        "found reject without outbox.schemas: every row would fail; expected a "
                        "folder of schemas"});
  if (config.outbox.retention_days == 0 && !config.outbox.archive_folder.empty())
    problems.push_back({"outbox.archive_folder",
                        "found a folder while outbox.retention_days is 0: nothing would be written "
                        "there; expected both or neither"});
  if (config.outbox.envelope_bytes_warn > config.outbox.envelope_bytes_max)
    problems.push_back(
        {"outbox.envelope_bytes_warn",
         fmt::format("found {}, expected at most outbox.envelope_bytes_max, {}",
                     config.outbox.envelope_bytes_warn, config.outbox.envelope_bytes_max)});
}

void check_auth(const AuthConfig& auth, std::vector<ConfigProblem>& problems) {
  if (!auth.hs256_secret.empty() && auth.hs256_secret.size() < kSecretBytesMin)
    problems.push_back({"auth.hs256_secret", fmt::format("found a shorter text, expected at least "
                                                         "{} octets",
                                                         kSecretBytesMin)});
  const auto is_empty = [](const std::string& text) { return text.empty(); };
  if (std::any_of(auth.api_keys.begin(), auth.api_keys.end(), is_empty))
    problems.push_back({"auth.api_keys", "found an empty key, which nobody could send"});
  if (std::any_of(auth.public_keys.begin(), auth.public_keys.end(), is_empty))
    problems.push_back({"auth.public_keys", "found an empty entry, expected a PEM text or a path"});
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const Error wrong{Errc::validation,
                    fmt::format("found \"{}\", expected HOST:PORT or [IPv6]:PORT", text)};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong;
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return wrong;
    host = host.substr(1, host.size() - 2);
    in6_addr address{};
    if (inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1) return wrong;
  } else if (!std::all_of(host.begin(), host.end(),
                          [](char c) { return is_part_character(c) && c != '~' && c != '_'; })) {
    return wrong;
  }
  ListenAddress parsed{std::string(host), 0};
  const char* end = port_text.data() + port_text.size();
  const auto read = std::from_chars(port_text.data(), end, parsed.port);
  if (read.ec != std::errc{} || read.ptr != end) return wrong;
  return parsed;
}

Result<std::uint32_t> parse_file_mode(std::string_view text) {
  constexpr std::uint32_t kModeMax = 0777;
  std::uint32_t mode = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, mode, 8);
  if (read.ec != std::errc{} || read.ptr != end || mode > kModeMax)
    return {Errc::validation,
            fmt::format("found \"{}\", expected an octal mode up to 0777, as 0660", text)};
  return mode;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

Result<void> check_namespace_name(std::string_view name) {
  if (name == "*") return {};
  if (name.empty() || name.size() > 120 ||
      !std::all_of(name.begin(), name.end(), is_part_character))
    return {
        Errc::validation,
        fmt::format("namespace '{:.60}': expected 1 to 120 of A-Z a-z 0-9 _ . ~ -, or '*' alone",
                    name)};
  return {};
}

std::vector<ConfigProblem> check_config(const Config& config) {
  std::vector<ConfigProblem> problems;
  if (const auto address = parse_listen_address(config.listen.address); !address)
    problems.push_back({"listen.address", address.error().detail});
  if (config.listen.unix_path.find('\0') != std::string::npos)
    problems.push_back({"listen.unix", "found a zero octet, expected a path"});
  if (const auto mode = parse_file_mode(config.listen.unix_mode); !mode)
    problems.push_back({"listen.unix_mode", mode.error().detail});
  for (const std::string& origin : config.listen.allowed_origins)
    if (!is_origin(origin))
      problems.push_back(
          {"listen.allowed_origins",
           fmt::format("found \"{:.80}\", expected scheme://host[:port] as browsers send it (lower "
                       "case, no slash at the end, not the usual port)",
                       origin)});
  check_auth(config.auth, problems);
  check_store(config, problems);
  std::set<std::string_view> names;
  for (const NamespaceConfig& row : config.namespaces) {
    const std::string where = fmt::format("namespace.{}.name", row.name);
    if (const auto checked = check_namespace_name(row.name); !checked)
      problems.push_back({where, checked.error().detail});
    else if (!names.insert(row.name).second)
      problems.push_back({where, "stands there twice"});
  }
  return problems;
}

std::vector<ConfigProblem> check_serve(const Config& config) {
  const auto address = parse_listen_address(config.listen.address);
  if (!address || is_loopback(address->host)) return {};
  const AuthConfig& auth = config.auth;
  std::vector<ConfigProblem> problems;
  if (auth.hs256_secret.empty() && auth.public_keys.empty() && !auth.allow_anonymous)
    problems.push_back(
        {"listen.address",
         fmt::format("{} can be reached by others, and nothing tells who they are. Either set "
                     "auth.hs256_secret ({}) or auth.public_keys, or listen on 127.0.0.1 behind a "
                     "proxy, or set auth.allow_anonymous = true if everybody may read every room",
                     config.listen.address, "RINGCAST_AUTH_HS256_SECRET")});
  if (std::any_of(auth.api_keys.begin(), auth.api_keys.end(),
                  [](const std::string& key) { return key.size() < kPublicApiKeyBytesMin; }))
    problems.push_back(
        {"auth.api_keys",
         fmt::format("found a key that can be guessed, expected at least {} characters on an "
                     "address that others can reach",
                     kPublicApiKeyBytesMin)});
  return problems;
}

}  // namespace ringcast
