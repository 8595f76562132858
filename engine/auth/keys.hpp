// The keys that tokens are checked with, and the algorithms that each may be used for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct evp_pkey_st;

namespace ringcast {

// RFC 7518 section 3.1 and RFC 8037 section 3.1. `none` is not among them and never will be.
enum class Algorithm : std::uint8_t {
  hs256,
  hs384,
  hs512,
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  eddsa,
};

// By the registered name, in exactly that case.
[[nodiscard]] std::optional<Algorithm> parse_algorithm(std::string_view name);

// One key. It decides by its kind which algorithms it verifies, never the token (RFC 8725 section
// 3.1): an RSA public key is no HMAC secret, whatever a header says.
//
// Thread: any (immutable). Lives as long as the KeySet that holds it.
class Key final {
 public:
  enum class Kind : std::uint8_t { hmac, rsa, p256, p384, p521, ed25519 };

  static constexpr std::size_t kSecretBytesMin = 32;
  static constexpr int kRsaBitsMin = 2'048;
  static constexpr int kRsaBitsMax = 8'192;  // beyond it one bad token costs more than 1 ms
  static constexpr std::size_t kPemBytesMax = 16'384;

  // One secret for HS256, HS384 and HS512; at least 32 octets (RFC 7518 section 3.2 asks for as
  // many as the hash has, which for HS384 and HS512 is left to the one who makes the secret).
  [[nodiscard]] static Result<Key> from_secret(std::string_view secret, std::string_view kid = {});

  // A SubjectPublicKeyInfo in PEM: RSA of 2,048 to 8,192 bits, P-256, P-384, P-521, Ed25519.
  [[nodiscard]] static Result<Key> from_pem(std::string_view pem, std::string_view kid = {});

  [[nodiscard]] bool fits(Algorithm algorithm) const;
  [[nodiscard]] const std::string& kid() const { return kid_; }
  [[nodiscard]] Kind kind() const { return kind_; }

  // Is `signature` (as in a JWS, decoded) this key's over `signed_text`? False also for an
  // algorithm that does not fit.
  [[nodiscard]] bool verify(Algorithm algorithm, std::string_view signed_text,
                            std::string_view signature) const;

 private:
  Key(Kind kind, std::string_view kid) : kind_(kind), kid_(kid) {}

  Kind kind_;
  std::string kid_;     // empty: for tokens with any kid or none
  std::string secret_;  // hmac only
  std::shared_ptr<evp_pkey_st> public_key_;
};

// All keys of a daemon.
//
// Thread: filled at start-up, then any (immutable). Holds at most kKeysMax keys, because a token
// without `kid` may be tried against each; add() is an error beyond it.
class KeySet final {
 public:
  static constexpr std::size_t kKeysMax = 16;

  Result<void> add(Key key);

  // An entry of `auth.public_keys`: a PEM text or the path of a PEM file, either with the key's
  // id in front as in `kid:2026-a:/etc/ringcast/key.pem`. Reads the file.
  Result<void> add_public_key(std::string_view entry);

  // Which keys may have signed a token: those with its `kid`; if there are none, or it has none,
  // those without one; if the token has none, all. `algorithm` must fit in every case.
  [[nodiscard]] std::vector<const Key*> candidates(Algorithm algorithm,
                                                   std::optional<std::string_view> kid) const;

  [[nodiscard]] bool empty() const { return keys_.empty(); }
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  std::vector<Key> keys_;
};

}  // namespace ringcast
