#include "auth/jwt_signer.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "auth/base64url.hpp"
#include "auth/jws.hpp"
#include "auth/keys.hpp"
#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";

std::int64_t seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string claims_json(const TokenClaims& claims) {
  std::string json = "{";
  append_json_field(json, "sub", claims.user);
  json +=
      fmt::format(",\"iat\":{},\"exp\":{}", seconds(claims.issued_at), seconds(claims.expires_at));
  if (!claims.audience.empty()) append_json_field(json, "aud", claims.audience);
  if (!claims.issuer.empty()) append_json_field(json, "iss", claims.issuer);
  json += ",\"rooms\":{";
  for (const Verb verb : {Verb::subscribe, Verb::publish, Verb::presence}) {
    json += fmt::format("{}\"{}\":[", verb == Verb::subscribe ? "" : ",", verb_name(verb));
    for (const std::string& pattern : claims.grants.patterns(verb)) {
      if (json.back() != '[') json += ',';
      append_json_string(json, pattern);
    }
    json += ']';
  }
  return json += "}}";
}

Result<std::string> hmac_sha256(std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  std::size_t length = 0;
  if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, secret.data(), secret.size(),
                reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(),
                mac.size(), &length) == nullptr)
    return {Errc::internal, "HMAC-SHA256 is not to be had from OpenSSL"};
  return std::string(reinterpret_cast<const char*>(mac.data()), length);
}

}  // namespace

Result<std::string> sign_token(std::string_view secret, const TokenClaims& claims) {
  if (const auto key = Key::from_secret(secret); !key) return key.error();
  if (auto checked = check_part(claims.user, "user"); !checked) return checked.error();
  if (!is_valid_utf8(claims.audience) || !is_valid_utf8(claims.issuer))
    return {Errc::validation, "audience, issuer: expected UTF-8"};
  std::string token = encode_base64url(kHeader) + '.' + encode_base64url(claims_json(claims));
  const auto mac = hmac_sha256(secret, token);
  if (!mac) return mac.error();
  token += '.' + encode_base64url(*mac);
  if (token.size() > kTokenBytesMax)
    return {Errc::payload_too_large,
            fmt::format("the token has {} octets, expected at most {}: grant fewer patterns",
                        token.size(), kTokenBytesMax)};
  return token;
}

}  // namespace ringcast
