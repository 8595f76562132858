#include "auth/jws.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "auth/base64url.hpp"
#include "auth/strict_json.hpp"

namespace ringcast {

namespace {

constexpr std::size_t kKidBytesMax = 128;

Error refused_jws(std::string detail) { return {Errc::unauthorized, std::move(detail)}; }

struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;  // header.payload, as it stands in the token
};

std::optional<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

struct Header {
  Algorithm algorithm;
  std::optional<std::string> kid;
};

Result<Header> read_header(std::string_view text) {
  const auto object = parse_strict_object(text, "the token's header");
  if (!object) return object.error();
  // RFC 7515 section 4.1.11: we understand no extension, so every list of them is one too many.
  if (object->at_key("crit").error() == simdjson::SUCCESS)
    return refused_jws("the token's header has crit, and no extension is understood");
  std::string_view name;
  if (object->at_key("alg").get(name) != simdjson::SUCCESS)
    return refused_jws("the token's header has no alg");
  const auto algorithm = parse_algorithm(name);
  if (!algorithm)
    return refused_jws(
        fmt::format("the token's alg '{:.16}' is not one of HS, RS, PS, ES 256 to 512 "
                    "and EdDSA",
                    name));
  Header header{*algorithm, std::nullopt};
  if (const auto kid = object->at_key("kid"); kid.error() == simdjson::SUCCESS) {
    std::string_view id;
    if (kid.get(id) != simdjson::SUCCESS || id.size() > kKidBytesMax)
      return refused_jws(
          fmt::format("the token's kid is not a string of at most {} octets", kKidBytesMax));
    header.kid = id;
  }
  return header;
}

}  // namespace

Result<std::string> verify_jws(std::string_view token, const KeySet& keys) {
  if (token.size() > kTokenBytesMax)
    return refused_jws(fmt::format("the token has more than {} octets", kTokenBytesMax));
  const auto parts = split(token);
  if (!parts) return refused_jws("the token does not have three parts");
  const auto header_text = decode_base64url(parts->header);
  if (!header_text) return refused_jws("the token's header is not base64url");
  auto payload = decode_base64url(parts->payload);
  if (!payload) return refused_jws("the token's payload is not base64url");
  const auto signature = decode_base64url(parts->signature);
  if (!signature) return refused_jws("the token's signature is not base64url");

  const auto header = read_header(*header_text);
  if (!header) return header.error();
  const auto candidates = keys.candidates(header->algorithm, header->kid);
  if (candidates.empty())
    return refused_jws(
        header->kid
            ? fmt::format("no configured key fits the token's alg and kid '{}'", *header->kid)
            : "no configured key fits the token's alg");
  if (std::none_of(candidates.begin(), candidates.end(), [&](const Key* key) {
        return key->verify(header->algorithm, parts->signed_text, *signature);
      }))
    return refused_jws("the token's signature is not that of a configured key");
  return std::move(*payload);
}

}  // namespace ringcast
