#include "auth/jwt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "auth/jws.hpp"
#include "auth/strict_json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::string_view kExpired = "token expired";
constexpr std::string_view kRefused = "token refused";
constexpr double kSecondsMax = 253'402'300'799;  // the year 9999, the last that RFC 3339 can write

Error refused(std::string_view why) {
  return {Errc::unauthorized, fmt::format("{}: {}", kRefused, why)};
}

std::optional<element> claim(object claims, std::string_view name) {
  element value;
  if (claims.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction. Nothing: not in the token.
Result<std::optional<WallTime>> time_claim(object claims, std::string_view name) {
  const auto value = claim(claims, name);
  if (!value) return std::optional<WallTime>{};
  double seconds = 0;
  if (value->get(seconds) != simdjson::SUCCESS)
    return refused(fmt::format("{} is not a number", name));
  if (seconds < 0 || seconds > kSecondsMax)
    return refused(fmt::format("{} is not a time between 1970 and 9999", name));
  return std::optional{
      WallTime{std::chrono::microseconds{static_cast<std::int64_t>(seconds * 1e6)}}};
}

Result<std::optional<WallTime>> check_times(object claims, WallTime now,
                                            std::chrono::seconds leeway) {
  const auto exp = time_claim(claims, "exp");
  if (!exp) return exp.error();
  const auto nbf = time_claim(claims, "nbf");
  if (!nbf) return nbf.error();
  const auto iat = time_claim(claims, "iat");
  if (!iat) return iat.error();
  const auto seconds = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  };
  if (*exp && now >= **exp + leeway)
    return Error{Errc::unauthorized, fmt::format("{}: exp was {} s ago, leeway is {} s", kExpired,
                                                 seconds(now - **exp), leeway.count())};
  if (*nbf && now < **nbf - leeway)
    return refused(
        fmt::format("nbf is {} s ahead, leeway is {} s", seconds(**nbf - now), leeway.count()));
  if (*iat && now < **iat - leeway)
    return refused(
        fmt::format("iat is {} s ahead, leeway is {} s", seconds(**iat - now), leeway.count()));
  if (*exp && *iat && **iat > **exp) return refused("iat is later than exp");
  return *exp ? std::optional{**exp + leeway} : std::nullopt;
}

// RFC 7519 section 4.1.3: a string, or an array of them.
Result<void> check_audience(object claims, std::string_view wanted) {
  const auto value = claim(claims, "aud");
  if (!value) return refused("aud is missing");
  std::string_view one;
  if (value->get(one) == simdjson::SUCCESS)
    return one == wanted ? Result<void>{} : refused("aud is another audience");
  array several;
  if (value->get(several) != simdjson::SUCCESS)
    return refused("aud is neither a string nor an array");
  bool found = false;
  for (const element entry : several) {
    if (entry.get(one) != simdjson::SUCCESS) return refused("aud has an entry that is no string");
    found = found || one == wanted;
  }
  return found ? Result<void>{} : refused("aud does not name this audience");
}

Result<void> check_issuer(object claims, std::string_view wanted) {
  std::string_view issuer;
  const auto value = claim(claims, "iss");
  if (!value || value->get(issuer) != simdjson::SUCCESS)
    return refused("iss is missing or not a string");
  if (issuer != wanted) return refused("iss is another issuer");
  return {};
}

Result<std::string> read_user(object claims) {
  std::string_view user;
  const auto value = claim(claims, "sub");
  if (!value || value->get(user) != simdjson::SUCCESS)
    return refused("sub is missing or not a string");
  if (const auto checked = check_part(user, "sub"); !checked)
    return refused(checked.error().detail);
  return std::string(user);
}

Result<void> read_patterns(Grants& grants, Verb verb, element value) {
  array patterns;
  if (value.get(patterns) != simdjson::SUCCESS)
    return refused(fmt::format("rooms.{} is not an array", verb_name(verb)));
  for (const element entry : patterns) {
    std::string_view pattern;
    if (entry.get(pattern) != simdjson::SUCCESS)
      return refused(fmt::format("rooms.{} has an entry that is no string", verb_name(verb)));
    if (const auto added = grants.add(verb, pattern); !added)
      return refused(fmt::format("rooms.{}", added.error().detail));
  }
  return {};
}

Result<Grants> read_grants(object claims) {
  Grants grants;
  const auto value = claim(claims, "rooms");
  if (!value) return grants;
  object lists;
  if (value->get(lists) != simdjson::SUCCESS) return refused("rooms is not an object");
  constexpr Verb kAll[] = {Verb::subscribe, Verb::publish, Verb::presence};
  for (const auto field : lists) {
    const auto verb = std::find_if(std::begin(kAll), std::end(kAll),
                                   [&field](Verb known) { return verb_name(known) == field.key; });
    // A grant under a name that we do not know would be denied later without anybody seeing why.
    if (verb == std::end(kAll))
      return refused("rooms has a key other than subscribe, publish and presence");
    if (const auto read = read_patterns(grants, *verb, field.value); !read) return read.error();
  }
  return grants;
}

}  // namespace

Result<Identity> JwtVerifier::verify(std::string_view token, WallTime now) const {
  const auto payload = verify_jws(token, keys_);
  if (!payload) return refused(payload.error().detail);
  const auto claims = parse_strict_object(*payload, "the token's payload");
  if (!claims) return refused(claims.error().detail);

  auto expires_at = check_times(*claims, now, rules_.leeway);
  if (!expires_at) return expires_at.error();
  if (!rules_.audience.empty())
    if (const auto checked = check_audience(*claims, rules_.audience); !checked)
      return checked.error();
  if (!rules_.issuer.empty())
    if (const auto checked = check_issuer(*claims, rules_.issuer); !checked) return checked.error();
  auto user = read_user(*claims);
  if (!user) return user.error();
  auto grants = read_grants(*claims);
  if (!grants) return grants.error();
  return Identity{std::move(*user), std::move(*grants), *expires_at};
}

std::string_view terse_token_text(const Error& error) {
  return error.detail.starts_with(kExpired) ? kExpired : kRefused;
}

CloseReason token_close_reason(const Error& error) {
  return error.detail.starts_with(kExpired) ? CloseReason::token_expired
                                            : CloseReason::token_refused;
}

}  // namespace ringcast
