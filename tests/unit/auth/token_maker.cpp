#include "unit/auth/token_maker.hpp"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <vector>

#include "auth/base64url.hpp"
#include "base/ensure.hpp"

namespace ringcast {

namespace {

std::shared_ptr<EVP_PKEY> owned(EVP_PKEY* key) {
  ensure(key != nullptr, "the test's key could not be made");
  return {key, EVP_PKEY_free};
}

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string decoded(std::string_view text) {
  auto value = decode_base64url(text);
  ensure(value.has_value(), "the test's key is not base64url");
  return *value;
}

std::string pem_of(EVP_PKEY* key, int (*write)(BIO*, const EVP_PKEY*)) {
  BIO* bio = BIO_new(BIO_s_mem());
  ensure(write(bio, key) == 1, "the test's key could not be written");
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  return pem;
}

int write_public(BIO* bio, const EVP_PKEY* key) { return PEM_write_bio_PUBKEY(bio, key); }
int write_private(BIO* bio, const EVP_PKEY* key) {
  return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
}

std::string pem_from(const char* type, OSSL_PARAM_BLD* builder) {
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
  EVP_PKEY* key = nullptr;
  ensure(EVP_PKEY_fromdata_init(context) == 1 &&
             EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1,
         "the test's key could not be built");
  std::string pem = pem_of(owned(key).get(), write_public);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  return pem;
}

std::string rsa_pem_from(const BIGNUM* n, const BIGNUM* e) {
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
  return pem_from("RSA", builder);
}

// DER to r || s, each as long as the curve's order.
std::string raw_ecdsa(std::string_view der, int order_bits) {
  const unsigned char* at = octets(der);
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  const int half = (order_bits + 7) / 8;
  std::string raw(static_cast<std::size_t>(2 * half), '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, half);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + half, half);
  ECDSA_SIG_free(signature);
  return raw;
}

std::string digest_of(std::string_view algorithm) {
  return algorithm == "EdDSA" ? "" : fmt::format("SHA{}", algorithm.substr(2));
}

}  // namespace

Signer Signer::hmac(std::string_view secret) {
  Signer signer;
  signer.secret_ = secret;
  return signer;
}

Signer Signer::rsa(int bits) {
  Signer signer;
  signer.key_ = owned(EVP_RSA_gen(static_cast<unsigned>(bits)));
  return signer;
}

Signer Signer::ec(const char* group) {
  Signer signer;
  signer.key_ = owned(EVP_EC_gen(group));
  return signer;
}

Signer Signer::ed25519() {
  Signer signer;
  signer.key_ = owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  return signer;
}

std::string Signer::public_pem() const { return pem_of(key_.get(), write_public); }
std::string Signer::private_pem() const { return pem_of(key_.get(), write_private); }

std::string Signer::token(std::string_view algorithm, std::string_view header,
                          std::string_view payload) const {
  const std::string text =
      fmt::format("{}.{}", encode_base64url(header), encode_base64url(payload));
  const std::string digest = digest_of(algorithm);
  std::string signature(1'200, '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  std::size_t length = signature.size();
  if (!key_) {
    EVP_Q_mac(nullptr, "HMAC", nullptr, digest.c_str(), nullptr, secret_.data(), secret_.size(),
              octets(text), text.size(), out, signature.size(), &length);
  } else {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* settings = nullptr;
    EVP_DigestSignInit_ex(context, &settings, digest.empty() ? nullptr : digest.c_str(), nullptr,
                          nullptr, key_.get(), nullptr);
    if (algorithm.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST);
    }
    ensure(EVP_DigestSign(context, out, &length, octets(text), text.size()) == 1,
           "the test's token could not be signed");
    EVP_MD_CTX_free(context);
  }
  signature.resize(length);
  if (algorithm.starts_with("ES")) signature = raw_ecdsa(signature, EVP_PKEY_get_bits(key_.get()));
  return fmt::format("{}.{}", text, encode_base64url(signature));
}

std::string Signer::token(std::string_view algorithm, std::string_view payload) const {
  return token(algorithm, fmt::format(R"({{"alg":"{}"}})", algorithm), payload);
}

std::string rsa_pem(std::string_view n, std::string_view e) {
  const std::string modulus = decoded(n);
  const std::string exponent = decoded(e);
  BIGNUM* n_number = BN_bin2bn(octets(modulus), static_cast<int>(modulus.size()), nullptr);
  BIGNUM* e_number = BN_bin2bn(octets(exponent), static_cast<int>(exponent.size()), nullptr);
  std::string pem = rsa_pem_from(n_number, e_number);
  BN_free(n_number);
  BN_free(e_number);
  return pem;
}

std::string rsa_pem_of_bits(int bits) {
  BIGNUM* n = BN_new();
  BIGNUM* e = BN_new();
  BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
  BN_set_word(e, 65'537);
  std::string pem = rsa_pem_from(n, e);
  BN_free(n);
  BN_free(e);
  return pem;
}

std::string ec_pem(const char* group, std::string_view x, std::string_view y) {
  const std::string point = "\x04" + decoded(x) + decoded(y);  // SEC 1 section 2.3.3
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return pem_from("EC", builder);
}

std::string ed25519_pem(std::string_view x) {
  const std::string point = decoded(x);
  return pem_of(
      owned(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(point), point.size()))
          .get(),
      write_public);
}

}  // namespace ringcast
