#include "auth/api_keys.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kScheme = "bearer";

// RFC 9110 section 11.2.
bool is_token68(std::string_view text) {
  const std::size_t body = std::min(text.find('='), text.size());
  return body != 0 &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(body),
                     [](char c) {
                       return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                              c == '~' || c == '+' || c == '/';
                     }) &&
         text.find_first_not_of('=', body) == std::string_view::npos;
}

std::array<std::uint8_t, 32> sha256(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  std::size_t length = 0;
  ensure(EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), digest.data(),
                      &length) == 1 &&
             length == digest.size(),
         "OpenSSL has no SHA-256");
  return digest;
}

}  // namespace

std::optional<std::string_view> bearer_credentials(std::string_view header_value) {
  if (header_value.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header_value[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != kScheme[i]) return std::nullopt;
  }
  std::string_view rest = header_value.substr(kScheme.size());
  if (rest.front() != ' ') return std::nullopt;
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  // Optional white space around a field's value is not part of it (RFC 9110 section 5.5).
  while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\t')) rest.remove_suffix(1);
  if (!is_token68(rest)) return std::nullopt;
  return rest;
}

Result<void> ApiKeys::add(std::string_view key) {
  if (key.empty() || key.size() > kApiKeyBytesMax)
    return {Errc::validation,
            fmt::format("api key: has {} octets, expected 1 to {}", key.size(), kApiKeyBytesMax)};
  if (!is_token68(key))
    return {Errc::validation,
            "api key: has a character that a Bearer header can not carry, expected A-Z a-z 0-9 - . "
            "_ ~ + / and = at the end"};
  if (digests_.size() >= kApiKeysMax)
    return {Errc::validation, fmt::format("more than {} api keys", kApiKeysMax)};
  digests_.push_back(sha256(key));
  return {};
}

bool ApiKeys::contains(std::string_view key) const {
  const Digest shown = sha256(key);
  int found = 0;
  for (const Digest& digest : digests_)
    found |= static_cast<int>(CRYPTO_memcmp(shown.data(), digest.data(), digest.size()) == 0);
  return found != 0;
}

}  // namespace ringcast
