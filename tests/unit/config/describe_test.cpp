#include "config/describe.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "config/setting.hpp"

namespace ringcast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Redacted, NeverShowsASecret) {
  Config config;
  config.auth.hs256_secret = "planted-secret-of-thirty-two-octets";
  config.auth.api_keys = {"planted-api-key", "another-planted"};
  config.auth.public_keys = {"-----BEGIN PRIVATE KEY-----\nplanted\n", "/etc/key.pem"};
  for (const std::string_view url :
       {"postgresql://user:planted@host/db", "postgresql://user:plan:ted@host/db",
        "postgresql://user:pl@planted@host/db?x=1", "postgres://host/db?password=planted&x=1",
        "postgresql://user:planted@/db?host=/run", "postgresql://u@h/d?x=1&password=planted",
        "postgresql://user:planted@host"}) {
    config.store.url = url;
    const std::string text = redacted(config);
    EXPECT_THAT(text, Not(HasSubstr("planted"))) << text;
    EXPECT_THAT(text, HasSubstr("***"));
    EXPECT_THAT(text, HasSubstr("/etc/key.pem"));
  }
}

TEST(Redacted, ShowsWhatIsNoSecret) {
  Config config;
  config.store.url = "postgresql://user@host:5432/db?sslmode=require";
  EXPECT_THAT(redacted(config), HasSubstr("postgresql://user@host:5432/db?sslmode=require"));
  config.store.url = "sqlite:/var/lib/ringcast.db";
  EXPECT_THAT(redacted(config), HasSubstr("sqlite:/var/lib/ringcast.db"));
  EXPECT_THAT(redacted(config), HasSubstr("hs256_secret = \"\""));
}

TEST(Redacted, CanBeLoadedAgainAndGivesTheSame) {
  const auto first = load_config(
      {std::nullopt,
       {},
       {"engine.backend=epoll", "log.format=json", "log.level=error", "store.migrate=off",
        "namespace.chat.history=none", "auth.issuer=a\"b\\c\nd", "listen.allowed_origins=http://a",
        "store.url=sqlite:x", "limits.errors_max=3", "debug.echo=true"}});
  ASSERT_EQ(to_text(first.problems), "");
  const auto second = load_config({ConfigFile{"f", redacted(first.config, first.origins)}, {}, {}});
  ASSERT_EQ(to_text(second.problems), "");
  EXPECT_EQ(redacted(second.config), redacted(first.config));
  EXPECT_EQ(second.config.auth.issuer, "a\"b\\c\nd");
  EXPECT_EQ(second.config.store.migrate, StoreConfig::Migrate::off);
}

TEST(Redacted, NamesTheOriginOfAValue) {
  const auto loaded = load_config({std::nullopt, {{"RINGCAST_ENGINE_SHARDS", "2"}}, {}});
  EXPECT_THAT(redacted(loaded.config, loaded.origins),
              HasSubstr("shards = 2  # RINGCAST_ENGINE_SHARDS\n"));
}

TEST(ConfigReference, HasARowForEveryKeyWithItsBoundsAndDefault) {
  const std::string text = config_reference();
  for (const auto& setting : settings()) {
    EXPECT_THAT(text, HasSubstr(fmt::format("| `{}` | {} |", setting.key, expectation(setting))));
    EXPECT_THAT(text, HasSubstr(environment_name(setting.section, setting.key)));
  }
  for (const auto& setting : namespace_settings())
    EXPECT_THAT(text, HasSubstr(fmt::format("| `{}` | {} |", setting.key, expectation(setting))));
  EXPECT_THAT(text,
              HasSubstr("| `message_bytes_max` | an integer from 64 to 1073741824 | `65536` | "
                        "`RINGCAST_LIMITS_MESSAGE_BYTES_MAX` |"));
  EXPECT_THAT(text, HasSubstr("| `level` | one of debug, info, warning, error | `\"info\"` |"));
}

TEST(Settings, HaveEachKeyOnceAndAMeaning) {
  std::set<std::string> seen;
  for (const auto& setting : settings()) {
    EXPECT_TRUE(seen.insert(environment_name(setting.section, setting.key)).second) << setting.key;
    EXPECT_FALSE(setting.doc.empty()) << setting.key;
    EXPECT_EQ(setting.doc.find('|'), std::string_view::npos) << setting.key;
  }
}

// A default outside its own bounds could not be written down.
TEST(Settings, HaveDefaultsWithinTheirBounds) {
  Config config;
  with_default_namespaces(config);
  EXPECT_EQ(to_text(load_config({ConfigFile{"f", redacted(config)}, {}, {}}).problems), "");
}

}  // namespace
}  // namespace ringcast
