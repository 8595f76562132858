// Makes what the engine only verifies: keys, and tokens signed with them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace ringcast {

// A key pair of one kind.
class Signer {
 public:
  static Signer hmac(std::string_view secret);
  static Signer rsa(int bits);
  static Signer ec(const char* group);  // "P-256", ...
  static Signer ed25519();

  [[nodiscard]] std::string public_pem() const;
  [[nodiscard]] std::string private_pem() const;

  // A compact JWS of `header` and `payload` as they stand, signed as `algorithm` names it.
  [[nodiscard]] std::string token(std::string_view algorithm, std::string_view header,
                                  std::string_view payload) const;
  // The same with the header {"alg":algorithm}.
  [[nodiscard]] std::string token(std::string_view algorithm, std::string_view payload) const;

 private:
  std::string secret_;
  std::shared_ptr<evp_pkey_st> key_;
};

// The PEM form of a JWK, as RFCs print keys; numbers are base64url.
std::string rsa_pem(std::string_view n, std::string_view e);
std::string ec_pem(const char* group, std::string_view x, std::string_view y);
std::string ed25519_pem(std::string_view x);

// The PEM form of an RSA key whose modulus is some odd number of `bits` bits.
std::string rsa_pem_of_bits(int bits);

}  // namespace ringcast
