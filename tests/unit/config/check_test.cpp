#include "config/check.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringcast {
namespace {

using ::testing::HasSubstr;

Config valid() {
  Config config;
  with_default_namespaces(config);
  return config;
}

std::string problems_of(const Config& config) { return to_text(check_config(config)); }

struct AddressCase {
  std::string_view text;
  std::string_view host;  // empty: refused
  std::uint16_t port;
};
constexpr AddressCase kAddresses[] = {
    {"127.0.0.1:8800", "127.0.0.1", 8'800},
    {"0.0.0.0:0", "0.0.0.0", 0},
    {"[::1]:65535", "::1", 65'535},
    {"[::]:1", "::", 1},
    {"localhost:80", "localhost", 80},
    {"a-b.example:80", "a-b.example", 80},
    {"", "", 0},
    {"127.0.0.1", "", 0},
    {":80", "", 0},
    {"127.0.0.1:", "", 0},
    {"127.0.0.1:65536", "", 0},
    {"127.0.0.1:-1", "", 0},
    {"127.0.0.1:+1", "", 0},
    {"127.0.0.1:80 ", "", 0},
    {"::1:80", "", 0},
    {"[::1]", "", 0},
    {"[]:80", "", 0},
    {"[::1:80", "", 0},
    {"[127.0.0.1]:80", "", 0},
    {"a b:80", "", 0},
    {"http://a:80", "", 0},
    {"a/b:80", "", 0},
};

TEST(CheckConfig, ReadsAddressesOfOneForm) {
  for (const auto& [text, host, port] : kAddresses) {
    const auto address = parse_listen_address(text);
    ASSERT_EQ(address.ok(), !host.empty()) << text;
    if (!address) continue;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
}

TEST(CheckConfig, KnowsWhatOnlyThisMachineReaches) {
  for (const std::string_view host :
       {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "localhost"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const std::string_view host :
       {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "126.255.255.255", "localhost.example",
        "127.0.0.1.example", "127.1.example", "::2", "::ffff:10.0.0.1", ""})
    EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(CheckConfig, ReadsModesOfFiles) {
  EXPECT_EQ(*parse_file_mode("0660"), 0660U);
  EXPECT_EQ(*parse_file_mode("777"), 0777U);
  EXPECT_EQ(*parse_file_mode("000"), 0U);
  for (const std::string_view wrong : {"", "1000", "0888", "rw-rw----", "0x1f", "-660", "660 "})
    EXPECT_FALSE(parse_file_mode(wrong).ok()) << wrong;
}

TEST(CheckConfig, WantsAPathAndAModeOfTheUnixSocket) {
  Config config = valid();
  config.listen.unix_path = "/run/ringcast.sock";
  EXPECT_EQ(problems_of(config), "");
  config.listen.unix_path += '\0';
  config.listen.unix_mode = "0999";
  EXPECT_THAT(problems_of(config), HasSubstr("listen.unix:"));
  EXPECT_THAT(problems_of(config), HasSubstr("listen.unix_mode: found \"0999\", expected"));
}

TEST(CheckConfig, FindsNothingInTheDefaults) { EXPECT_EQ(problems_of(valid()), ""); }

TEST(CheckConfig, TakesOriginsAsBrowsersSendThem) {
  for (const std::string_view origin : {"https://a.example", "http://localhost:8080",
                                        "http://[::1]:81", "chrome-extension://abc"}) {
    Config config = valid();
    config.listen.allowed_origins = {std::string(origin)};
    EXPECT_EQ(problems_of(config), "") << origin;
  }
  for (const std::string_view origin :
       {"", "*", "null", "a.example", "https://", "://a", "https://a.example/", "https://a/b",
        "https://A.example", "https://a.example:443", "http://a.example:80", "https://*.example",
        "https://u@a", "https://a example", "https://caf\xc3\xa9.example", "https://a,https://b"}) {
    Config config = valid();
    config.listen.allowed_origins = {std::string(origin)};
    EXPECT_THAT(problems_of(config), HasSubstr("listen.allowed_origins")) << origin;
  }
}

TEST(CheckConfig, TakesNamespacesInTheAlphabetOfParts) {
  for (const std::string& name :
       {std::string("*"), std::string("a"), std::string("A-z_0.9~"), std::string(120, 'n')})
    EXPECT_TRUE(check_namespace_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("**"), std::string("a*"), std::string("a:b"), std::string("a b"),
        std::string("a\n"), std::string("caf\xc3\xa9"), std::string(121, 'n')})
    EXPECT_FALSE(check_namespace_name(name)) << name;
}

TEST(CheckConfig, RefusesAStoreHistoryWithoutAStore) {
  Config config = valid();
  config.namespaces.front().history = HistoryKind::store;
  EXPECT_THAT(problems_of(config), HasSubstr("namespace.tenant.history"));
  config.store.url = "sqlite:x.db";
  EXPECT_EQ(problems_of(config), "");
}

TEST(CheckConfig, TakesUrlsOfKnownStores) {
  for (const std::string_view url : {"", "sqlite:x.db", "sqlite::memory:", "postgresql://u:p@h/d",
                                     "postgresql:///d?host=/run", "postgres://h"}) {
    Config config = valid();
    config.store.url = url;
    EXPECT_EQ(problems_of(config), "") << url;
  }
  for (const std::string_view url :
       {"sqlite:", "postgresql://", "mysql://h/d", "x.db", "SQLITE:x"}) {
    Config config = valid();
    config.store.url = url;
    EXPECT_THAT(problems_of(config), HasSubstr("store.url")) << url;
  }
}

TEST(CheckConfig, RefusesANamespaceTwice) {
  Config config = valid();
  config.namespaces.insert(config.namespaces.begin(), config.namespaces.front());
  EXPECT_THAT(problems_of(config), HasSubstr("namespace.tenant.name"));
}

TEST(CheckConfig, TakesSecretsOf32OctetsAndMore) {
  Config config = valid();
  config.auth.hs256_secret = std::string(32, 's');
  EXPECT_EQ(problems_of(config), "");
  config.auth.hs256_secret = std::string(31, 's');
  EXPECT_THAT(problems_of(config), HasSubstr("at least 32"));
}

TEST(CheckConfig, RefusesEmptyKeys) {
  Config config = valid();
  config.auth.api_keys = {"key", ""};
  EXPECT_THAT(problems_of(config), HasSubstr("auth.api_keys"));
  config = valid();
  config.auth.public_keys = {""};
  EXPECT_THAT(problems_of(config), HasSubstr("auth.public_keys"));
}

TEST(CheckConfig, RefusesEveryTypeOnlyWhereSomeHaveASchema) {
  Config config = valid();
  config.outbox.unknown_events = UnknownEvents::reject;
  EXPECT_THAT(problems_of(config), HasSubstr("outbox.unknown_events"));
  config.outbox.schemas = "schemas";
  EXPECT_EQ(problems_of(config), "");
}

TEST(CheckConfig, RefusesStatusModeOnSqliteAlone) {
  Config config = valid();
  config.outbox.mode = OutboxMode::status;
  config.store.url = "sqlite:app.db";
  EXPECT_THAT(problems_of(config), HasSubstr("outbox.mode"));
  config.store.url = "postgresql://db/app";
  EXPECT_EQ(problems_of(config), "");
}

TEST(CheckConfig, RefusesAnArchiveOfRowsThatNeverLeave) {
  Config config = valid();
  config.outbox.archive_folder = "archive";
  EXPECT_EQ(problems_of(config), "");
  config.outbox.retention_days = 0;
  EXPECT_THAT(problems_of(config), HasSubstr("outbox.archive_folder"));
}

TEST(CheckConfig, WarnsOfEnvelopesNoLaterThanItRefusesThem) {
  Config config = valid();
  config.outbox.envelope_bytes_warn = config.outbox.envelope_bytes_max;
  EXPECT_EQ(problems_of(config), "");
  config.outbox.envelope_bytes_warn = config.outbox.envelope_bytes_max + 1;
  EXPECT_THAT(problems_of(config), HasSubstr("outbox.envelope_bytes_warn"));
}

TEST(CheckServe, RefusesAPublicAddressOnWhichNobodyIsKnown) {
  for (const std::string_view address : {"0.0.0.0:80", "[::]:80", "10.1.2.3:80", "a.example:80"}) {
    Config config = valid();
    config.listen.address = address;
    const std::string text = to_text(check_serve(config));
    EXPECT_THAT(text, HasSubstr("listen.address")) << address;
    for (const std::string_view way : {"hs256_secret", "127.0.0.1", "allow_anonymous"})
      EXPECT_THAT(text, HasSubstr(std::string(way)));
  }
}

TEST(CheckServe, TakesAPublicAddressOnEachOfTheWaysOn) {
  Config config = valid();
  EXPECT_TRUE(check_serve(config).empty());
  config.listen.address = "0.0.0.0:80";
  Config with_secret = config;
  with_secret.auth.hs256_secret = std::string(32, 's');
  EXPECT_TRUE(check_serve(with_secret).empty());
  Config with_key = config;
  with_key.auth.public_keys = {"key.pem"};
  EXPECT_TRUE(check_serve(with_key).empty());
  Config open = config;
  open.auth.allow_anonymous = true;
  EXPECT_TRUE(check_serve(open).empty());
}

TEST(CheckServe, RefusesAnApiKeyThatCanBeGuessedOnAPublicAddress) {
  Config config = valid();
  config.auth.allow_anonymous = true;
  config.auth.api_keys = {"dev"};
  EXPECT_TRUE(check_serve(config).empty());
  config.listen.address = "0.0.0.0:80";
  EXPECT_THAT(to_text(check_serve(config)), HasSubstr("auth.api_keys"));
  config.auth.api_keys = {std::string(15, 'k')};
  EXPECT_FALSE(check_serve(config).empty());
  config.auth.api_keys = {std::string(16, 'k')};
  EXPECT_TRUE(check_serve(config).empty());
}

}  // namespace
}  // namespace ringcast
