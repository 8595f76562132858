#include "auth/keys.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

constexpr std::pair<std::string_view, Algorithm> kAlgorithms[] = {
    {"HS256", Algorithm::hs256}, {"HS384", Algorithm::hs384}, {"HS512", Algorithm::hs512},
    {"RS256", Algorithm::rs256}, {"RS384", Algorithm::rs384}, {"RS512", Algorithm::rs512},
    {"PS256", Algorithm::ps256}, {"PS384", Algorithm::ps384}, {"PS512", Algorithm::ps512},
    {"ES256", Algorithm::es256}, {"ES384", Algorithm::es384}, {"ES512", Algorithm::es512},
    {"EdDSA", Algorithm::eddsa}};

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

enum class Padding : std::uint8_t { none, pkcs1, pss };

struct Scheme {
  const char* digest;  // nullptr: the algorithm has its own
  Padding padding;
};

Scheme scheme_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::hs256:
    case Algorithm::es256:
      return {"SHA256", Padding::none};
    case Algorithm::hs384:
    case Algorithm::es384:
      return {"SHA384", Padding::none};
    case Algorithm::hs512:
    case Algorithm::es512:
      return {"SHA512", Padding::none};
    case Algorithm::rs256:
      return {"SHA256", Padding::pkcs1};
    case Algorithm::rs384:
      return {"SHA384", Padding::pkcs1};
    case Algorithm::rs512:
      return {"SHA512", Padding::pkcs1};
    case Algorithm::ps256:
      return {"SHA256", Padding::pss};
    case Algorithm::ps384:
      return {"SHA384", Padding::pss};
    case Algorithm::ps512:
      return {"SHA512", Padding::pss};
    case Algorithm::eddsa:
      return {nullptr, Padding::none};
  }
  return {nullptr, Padding::none};
}

// The octets of r, and of s, in a JWS signature (RFC 7518 section 3.4).
std::size_t coordinate_bytes(Key::Kind kind) {
  switch (kind) {
    case Key::Kind::p256:
      return 32;
    case Key::Kind::p384:
      return 48;
    case Key::Kind::p521:
      return 66;
    case Key::Kind::hmac:
    case Key::Kind::rsa:
    case Key::Kind::ed25519:
      return 0;
  }
  return 0;
}

// A JWS carries r || s; OpenSSL reads the DER form. Empty: not a signature.
std::string ecdsa_der(std::string_view raw, std::size_t half) {
  if (raw.size() != 2 * half) return {};
  Number r{BN_bin2bn(octets(raw), static_cast<int>(half), nullptr)};
  Number s{BN_bin2bn(octets(raw.substr(half)), static_cast<int>(half), nullptr)};
  // With r = s = 0 a sloppy verifier accepts any text (CVE-2022-21449); OpenSSL refuses it as well.
  if (!r || !s || BN_is_zero(r.get()) || BN_is_zero(s.get())) return {};
  EcdsaSignature signature{ECDSA_SIG_new()};
  if (!signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());  // set0 took both
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(signature.get(), &der);
  if (length <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return text;
}

bool verify_hmac(std::string_view secret, const char* digest, std::string_view signed_text,
                 std::string_view signature) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  std::size_t length = 0;
  if (EVP_Q_mac(nullptr, "HMAC", nullptr, digest, nullptr, secret.data(), secret.size(),
                octets(signed_text), signed_text.size(), mac.data(), mac.size(),
                &length) == nullptr)
    return false;
  return signature.size() == length && CRYPTO_memcmp(mac.data(), signature.data(), length) == 0;
}

bool verify_public(EVP_PKEY* key, Scheme scheme, std::string_view signed_text,
                   std::string_view signature) {
  DigestContext context{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* settings = nullptr;
  if (!context || EVP_DigestVerifyInit_ex(context.get(), &settings, scheme.digest, nullptr, nullptr,
                                          key, nullptr) != 1)
    return false;
  // RFC 7518 section 3.5: the salt is as long as the hash; MGF1 uses the same hash by default.
  if (scheme.padding == Padding::pss &&
      (EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) != 1))
    return false;
  return EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(signed_text),
                          signed_text.size()) == 1;
}

Error bad_key(std::string detail) { return {Errc::validation, std::move(detail)}; }

Result<Key::Kind> kind_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return Key::Kind::ed25519;
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < Key::kRsaBitsMin || bits > Key::kRsaBitsMax)
      return bad_key(fmt::format("public key: RSA of {} bits, expected {} to {}", bits,
                                 Key::kRsaBitsMin, Key::kRsaBitsMax));
    return Key::Kind::rsa;
  }
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    std::array<char, 64> group{};
    std::size_t length = 0;
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(),
                                       &length) == 1) {
      const std::string_view name(group.data(), length);
      if (name == "prime256v1") return Key::Kind::p256;
      if (name == "secp384r1") return Key::Kind::p384;
      if (name == "secp521r1") return Key::Kind::p521;
    }
  }
  return bad_key("public key: expected RSA, P-256, P-384, P-521 or Ed25519");
}

// PEM_read must never ask for a pass phrase on the terminal of a daemon.
int no_pass_phrase(char*, int, int, void*) { return 0; }

Result<std::string> read_pem_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return bad_key(fmt::format("public key: the file '{}' can not be opened", path));
  std::string text(Key::kPemBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view name) {
  for (const auto& [known, algorithm] : kAlgorithms)
    if (name == known) return algorithm;
  return std::nullopt;
}

Result<Key> Key::from_secret(std::string_view secret, std::string_view kid) {
  if (secret.size() < kSecretBytesMin)
    return bad_key(fmt::format("hs256_secret: has {} octets, expected at least {}", secret.size(),
                               kSecretBytesMin));
  Key key(Kind::hmac, kid);
  key.secret_ = secret;
  return key;
}

Result<Key> Key::from_pem(std::string_view pem, std::string_view kid) {
  if (pem.size() > kPemBytesMax)
    return bad_key(fmt::format("public key: more than {} octets of PEM", kPemBytesMax));
  if (pem.find("PRIVATE KEY-----") != std::string_view::npos)
    return bad_key("public key: this is a private key, which belongs to the issuer of tokens only");
  const std::size_t begin = pem.find("-----BEGIN ");
  if (begin == std::string_view::npos)
    return bad_key("public key: expected PEM with '-----BEGIN PUBLIC KEY-----'");
  if (pem.find("-----BEGIN ", begin + 1) != std::string_view::npos)
    return bad_key("public key: more than one PEM block, expected one an entry");
  Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  EVP_PKEY* raw = bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, no_pass_phrase, nullptr) : nullptr;
  ERR_clear_error();
  if (raw == nullptr)
    return bad_key("public key: not readable, expected PEM with '-----BEGIN PUBLIC KEY-----'");
  std::shared_ptr<EVP_PKEY> owned(raw, EVP_PKEY_free);
  const auto kind = kind_of(raw);
  if (!kind) return kind.error();
  Key key(*kind, kid);
  key.public_key_ = std::move(owned);
  return key;
}

bool Key::fits(Algorithm algorithm) const {
  switch (algorithm) {
    case Algorithm::hs256:
    case Algorithm::hs384:
    case Algorithm::hs512:
      return kind_ == Kind::hmac;
    case Algorithm::rs256:
    case Algorithm::rs384:
    case Algorithm::rs512:
    case Algorithm::ps256:
    case Algorithm::ps384:
    case Algorithm::ps512:
      return kind_ == Kind::rsa;
    case Algorithm::es256:
      return kind_ == Kind::p256;
    case Algorithm::es384:
      return kind_ == Kind::p384;
    case Algorithm::es512:
      return kind_ == Kind::p521;
    case Algorithm::eddsa:
      return kind_ == Kind::ed25519;
  }
  return false;
}

bool Key::verify(Algorithm algorithm, std::string_view signed_text,
                 std::string_view signature) const {
  if (!fits(algorithm)) return false;
  const Scheme scheme = scheme_of(algorithm);
  if (kind_ == Kind::hmac) return verify_hmac(secret_, scheme.digest, signed_text, signature);
  std::string der;
  if (const std::size_t half = coordinate_bytes(kind_); half != 0) {
    der = ecdsa_der(signature, half);
    if (der.empty()) return false;
    signature = der;
  }
  const bool good = verify_public(public_key_.get(), scheme, signed_text, signature);
  ERR_clear_error();  // a refused signature leaves errors behind that the next reader would meet
  return good;
}

Result<void> KeySet::add(Key key) {
  if (keys_.size() >= kKeysMax) return bad_key(fmt::format("more than {} keys", kKeysMax));
  keys_.push_back(std::move(key));
  return {};
}

Result<void> KeySet::add_public_key(std::string_view entry) {
  std::string_view kid;
  if (constexpr std::string_view kPrefix = "kid:"; entry.starts_with(kPrefix)) {
    const std::string_view rest = entry.substr(kPrefix.size());
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos || colon == 0)
      return bad_key("public key: expected kid:NAME:PATH or kid:NAME:PEM");
    kid = rest.substr(0, colon);
    entry = rest.substr(colon + 1);
  }
  std::string from_file;
  if (entry.find("-----BEGIN ") == std::string_view::npos) {
    auto read = read_pem_file(std::string(entry));
    if (!read) return read.error();
    from_file = std::move(read).value();
    entry = from_file;
  }
  auto key = Key::from_pem(entry, kid);
  if (!key) return key.error();
  return add(std::move(key).value());
}

std::vector<const Key*> KeySet::candidates(Algorithm algorithm,
                                           std::optional<std::string_view> kid) const {
  const auto matching = [&](auto&& wanted) {
    std::vector<const Key*> found;
    for (const Key& key : keys_)
      if (key.fits(algorithm) && wanted(key)) found.push_back(&key);
    return found;
  };
  if (!kid) return matching([](const Key&) { return true; });
  auto named = matching([&](const Key& key) { return !key.kid().empty() && key.kid() == *kid; });
  if (!named.empty()) return named;
  return matching([](const Key& key) { return key.kid().empty(); });
}

}  // namespace ringcast
