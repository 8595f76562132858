#include "config/load.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/setting.hpp"

namespace ringcast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LoadedConfig from_file(std::string_view text) {
  return load_config({ConfigFile{"ringcast.toml", std::string(text)}, {}, {}});
}

LoadedConfig from_flags(std::vector<std::string> flags) {
  return load_config({std::nullopt, {}, std::move(flags)});
}

LoadedConfig from_variable(std::string_view name, std::string_view value) {
  return load_config({std::nullopt, {{std::string(name), std::string(value)}}, {}});
}

std::string text_of(const LoadedConfig& loaded) { return to_text(loaded.problems); }

TEST(LoadConfig, OfNothingIsTheDefaults) {
  const auto loaded = load_config({});
  EXPECT_EQ(text_of(loaded), "");
  EXPECT_EQ(loaded.config.listen.address, "127.0.0.1:8800");
  EXPECT_EQ(loaded.config.limits.message_bytes_max, 65'536U);
  ASSERT_EQ(loaded.config.namespaces.size(), 2U);
  EXPECT_EQ(loaded.config.namespaces.front().name, "tenant");
  EXPECT_EQ(loaded.config.namespaces.front().history, HistoryKind::memory);
  EXPECT_EQ(loaded.config.namespaces.back().name, "*");
}

TEST(LoadConfig, AKeyOfTenantLeavesItsHistoryInTheStore) {
  const auto loaded =
      load_config({std::nullopt, {}, {"store.url=sqlite:x.db", "namespace.tenant.history_size=7"}});
  EXPECT_EQ(text_of(loaded), "");
  EXPECT_EQ(loaded.config.namespaces.front().history_size, 7U);
  EXPECT_EQ(loaded.config.namespaces.front().history, HistoryKind::store);
  const auto told =
      load_config({std::nullopt, {}, {"store.url=sqlite:x.db", "namespace.tenant.history=memory"}});
  EXPECT_EQ(told.config.namespaces.front().history, HistoryKind::memory);
}

TEST(LoadConfig, ReadsEveryKindOfValueFromAFile) {
  const auto loaded = from_file(R"(
[listen]
address = "0.0.0.0:9000"
allowed_origins = ["https://a.example", "http://b.example:8080"]
connections_max = 50_000
[engine]
backend = "epoll"
pin = true
[auth]
api_keys = []
[store]
url = "sqlite:/var/lib/ringcast.db"
[[namespace]]
name = "chat"
history = "none"
presence = false
rooms_max = 7
[[namespace]]
name = "*"
history_size = 5
[limits]
message_bytes_max = 0x1000
[log]
level = "debug"
format = "json"
)");
  ASSERT_EQ(text_of(loaded), "");
  const Config& config = loaded.config;
  EXPECT_EQ(config.listen.address, "0.0.0.0:9000");
  EXPECT_THAT(config.listen.allowed_origins,
              ElementsAre("https://a.example", "http://b.example:8080"));
  EXPECT_EQ(config.listen.connections_max, 50'000U);
  EXPECT_EQ(config.engine.backend, BackendWish::epoll);
  EXPECT_TRUE(config.engine.pin);
  EXPECT_THAT(config.auth.api_keys, IsEmpty());
  EXPECT_EQ(config.limits.message_bytes_max, 4'096U);
  EXPECT_EQ(config.log.level, log::Level::debug);
  EXPECT_EQ(config.log.format, log::Format::json);
  EXPECT_EQ(namespace_for(config, "chat:1").history, HistoryKind::none);
  EXPECT_FALSE(namespace_for(config, "chat:1").presence);
  EXPECT_EQ(namespace_for(config, "chat:1").rooms_max, 7U);
  EXPECT_EQ(namespace_for(config, "other").history_size, 5U);
  EXPECT_EQ(namespace_for(config, "tenant:1").history, HistoryKind::store);
  EXPECT_EQ(loaded.origins.at("engine.backend"), "ringcast.toml:7:11");
  EXPECT_EQ(loaded.origins.at("namespace.chat.history"), "ringcast.toml:15:11");
}

TEST(LoadConfig, LetsVariablesWinOverTheFileAndFlagsOverBoth) {
  const ConfigSources sources{
      ConfigFile{"f", "[engine]\nshards = 1\nstall_ms = 100\nmailbox_max = 100\n"},
      {{"RINGCAST_ENGINE_SHARDS", "2"}, {"RINGCAST_ENGINE_STALL_MS", "200"}},
      {"engine.shards=3"}};
  const auto loaded = load_config(sources);
  ASSERT_EQ(text_of(loaded), "");
  EXPECT_EQ(loaded.config.engine.shards, 3U);
  EXPECT_EQ(loaded.config.engine.stall_ms, 200U);
  EXPECT_EQ(loaded.config.engine.mailbox_max, 100U);
  EXPECT_EQ(loaded.origins.at("engine.shards"), "--set engine.shards");
  EXPECT_EQ(loaded.origins.at("engine.stall_ms"), "RINGCAST_ENGINE_STALL_MS");
}

TEST(LoadConfig, StartsFromTheDefaultsThatItIsGiven) {
  Config defaults;
  defaults.auth.allow_anonymous = true;
  defaults.auth.api_keys = {"dev"};
  const auto loaded = load_config({std::nullopt, {}, {"auth.api_keys=a,b"}}, defaults);
  EXPECT_TRUE(loaded.config.auth.allow_anonymous);
  EXPECT_THAT(loaded.config.auth.api_keys, ElementsAre("a", "b"));
}

TEST(LoadConfig, TellsEveryMistakeOfEverySourceInTheOrderOfItsLines) {
  const auto loaded =
      load_config({ConfigFile{"ringcast.toml", R"([log]
level = "loud"
[limits]
message_bytes_max = 5
mesage_bytes_max = 5
header_timeout_s = "10"
[lissten]
[engine]
shards = 1.5
connections_max = 1
pin = [true]
)"},
                   {{"RINGCAST_LIMITS_ERRORS_MAX", "many"}, {"RINGCAST_LIMITS_ERORS_MAX", "1"}},
                   {"engine.shards=-1", "engine.shard=1", "nonsense", "a.b=c"}});
  EXPECT_EQ(
      text_of(loaded),
      "ringcast.toml:2:9: log.level: found \"loud\", expected one of debug, info, warning, error\n"
      "ringcast.toml:4:21: limits.message_bytes_max: found 5, expected an integer from 64 to "
      "1073741824\n"
      "ringcast.toml:5:1: unknown key 'limits.mesage_bytes_max', did you mean "
      "'message_bytes_max'?\n"
      "ringcast.toml:6:20: limits.header_timeout_s: found \"10\", expected an integer from 1 to "
      "3600\n"
      "ringcast.toml:7:2: unknown section 'lissten', did you mean 'listen'?\n"
      "ringcast.toml:9:10: engine.shards: found a number with a fraction, expected an integer "
      "from 0 to 56\n"
      "ringcast.toml:10:1: unknown key 'engine.connections_max', it belongs to [listen]\n"
      "ringcast.toml:11:7: engine.pin: found an array with a boolean, expected true or false\n"
      "RINGCAST_LIMITS_ERRORS_MAX: limits.errors_max: found \"many\", expected an integer from 1 "
      "to 1000000\n"
      "RINGCAST_LIMITS_ERORS_MAX: unknown variable, did you mean RINGCAST_LIMITS_ERRORS_MAX?\n"
      "--set engine.shards: engine.shards: found -1, expected an integer from 0 to 56\n"
      "--set engine.shard: unknown key 'engine.shard', did you mean 'shards'?\n"
      "--set nonsense: expected section.key=value\n"
      "--set a.b: unknown section 'a', expected one of namespace, listen, engine, auth, store, "
      "outbox, limits, app, log, debug\n");
}

TEST(LoadConfig, NamesThePlaceOfASyntaxErrorAndStillReadsTheRest) {
  const auto loaded = load_config({ConfigFile{"f.toml", "[engine]\nshards = \n"}, {}, {"x=1"}});
  ASSERT_EQ(loaded.problems.size(), 2U);
  EXPECT_THAT(text_of(loaded), HasSubstr("f.toml:2:"));
  EXPECT_THAT(text_of(loaded), HasSubstr("not valid TOML"));
  EXPECT_THAT(text_of(loaded), HasSubstr("--set x"));
}

TEST(LoadConfig, RefusesTablesOfTheWrongForm) {
  for (const std::string_view text :
       {"engine = 1", "[[engine]]\nshards = 1", "[namespace]\nname = \"a\"", "namespace = 1",
        "namespace = [1]", "[[namespace]]", "[[namespace]]\nname = 7", "[[namespace]]\nname = \"\"",
        "[[namespace]]\nname = \"a:b\"", "[[namespace]]\nname = \"a*\"", "shards = 1",
        "[engine]\nshards = 1\nshards = 2", "[engine]\nshards = 99999999999999999999",
        "[engine]\nshards = 1979-05-27", "[[namespace]]\nname = \"a\"\nhistroy = \"none\"",
        "[auth]\napi_keys = [\"a\", 1]", "\xff"})
    EXPECT_EQ(from_file(text).problems.size(), 1U) << text << "\n" << text_of(from_file(text));
}

TEST(LoadConfig, RefusesANamespaceThatStandsTwice) {
  const auto loaded = from_file("[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"a\"\n");
  EXPECT_EQ(text_of(loaded),
            "ringcast.toml:4:8: namespace 'a' stands here twice, first at ringcast.toml:2:8\n");
}

TEST(LoadConfig, SetsKeysOfNamespacesByFlag) {
  const auto loaded = load_config(
      {ConfigFile{"f", "[[namespace]]\nname = \"a\"\nrooms_max = 5\n"},
       {},
       {"namespace.a.history=none", "namespace.b.c.rooms_max=9", "namespace.*.rooms_max=8"}});
  ASSERT_EQ(text_of(loaded), "");
  EXPECT_EQ(namespace_for(loaded.config, "a").history, HistoryKind::none);
  EXPECT_EQ(namespace_for(loaded.config, "a").rooms_max, 5U);
  EXPECT_EQ(namespace_for(loaded.config, "b.c:1").rooms_max, 9U);
  EXPECT_EQ(namespace_for(loaded.config, "zzz").rooms_max, 8U);
  for (const std::string_view flag :
       {"namespace.a:b.rooms_max=1", "namespace.a.name=b", "namespace.a.rooms=1",
        "namespace.a.rooms_max=0", "namespace..rooms_max=1", "namespace.rooms_max=1"})
    EXPECT_EQ(from_flags({std::string(flag)}).problems.size(), 1U) << flag;
}

TEST(LoadConfig, HoldsAtMostItsLimitOfNamespaces) {
  std::string text;
  for (std::size_t i = 0; i < kNamespacesMax; ++i)
    text += fmt::format("[[namespace]]\nname = \"n{}\"\n", i);
  EXPECT_EQ(text_of(from_file(text)), "");
  text += "[[namespace]]\nname = \"more\"\n";
  EXPECT_THAT(text_of(from_file(text)), HasSubstr("more than 1000 namespaces"));
}

TEST(LoadConfig, LeavesVariablesOfOthersAlone) {
  for (const std::string_view name :
       {"HOME", "RINGCAST", "RINGCAST_", "RINGCAST_DEBUG", "RINGCAST_TEST_URL",
        "RINGCAST_BUILD_DIR", "LISTEN_ADDRESS", "ringcast_engine_shards"})
    EXPECT_EQ(text_of(from_variable(name, "x")), "") << name;
  for (const std::string_view name :
       {"RINGCAST_ENGINE_SHARD", "RINGCAST_ENGIN_SHARDS", "RINGCAST_ENGINE_", "RINGCAST_LISTEN_XYZ",
        "RINGCAST_NAMESPACE_A_HISTORY"})
    EXPECT_EQ(from_variable(name, "1").problems.size(), 1U) << name;
}

TEST(LoadConfig, ReadsTextsAsTheTypeOfTheirKey) {
  struct Case {
    std::string_view flag;
    bool taken;
  };
  for (const auto& [flag, taken] : {Case{"engine.pin=true", true},
                                    {"engine.pin=false", true},
                                    {"engine.pin=1", false},
                                    {"engine.pin=", false},
                                    {"engine.shards=4", true},
                                    {"engine.shards=+4", false},
                                    {"engine.shards= 4", false},
                                    {"engine.shards=4k", false},
                                    {"engine.shards=", false},
                                    {"engine.shards=99999999999999999999", false},
                                    {"engine.backend=epoll", true},
                                    {"engine.backend=EPOLL", false},
                                    {"engine.backend=", false},
                                    {"auth.issuer=a=b", true},
                                    {"auth.issuer=", true},
                                    {"auth.api_keys=", true}})
    EXPECT_EQ(from_flags({std::string(flag)}).problems.empty(), taken) << flag;
  EXPECT_EQ(from_flags({"auth.issuer=a=b"}).config.auth.issuer, "a=b");
  EXPECT_THAT(from_flags({"auth.api_keys=a,b,c"}).config.auth.api_keys, ElementsAre("a", "b", "c"));
  EXPECT_THAT(from_flags({"auth.api_keys="}).config.auth.api_keys, IsEmpty());
}

// Every number of the table: both ends are taken, and what is beyond is refused by name.
TEST(LoadConfig, TakesBothEndsOfEveryNumberAndNothingBeyond) {
  for (const auto& setting : settings()) {
    if (!expectation(setting).starts_with("an integer")) continue;
    const auto set = [&setting](auto value) {
      return text_of(from_flags({fmt::format("{}.{}={}", setting.section, setting.key, value),
                                 "outbox.envelope_bytes_warn=0"}));
    };
    const bool last_wins = setting.key == "envelope_bytes_warn";
    EXPECT_EQ(set(setting.bounds.min), "") << setting.key;
    if (!last_wins) {
      EXPECT_EQ(set(setting.bounds.max), "") << setting.key;
    }
    EXPECT_THAT(set(setting.bounds.max + 1), HasSubstr(fmt::to_string(setting.bounds.max)));
    EXPECT_THAT(set(static_cast<std::int64_t>(setting.bounds.min) - 1), HasSubstr("expected"));
  }
  for (const auto& setting : namespace_settings()) {
    if (!expectation(setting).starts_with("an integer")) continue;
    const auto set = [&setting](auto value) {
      return text_of(from_flags({fmt::format("namespace.n.{}={}", setting.key, value)}));
    };
    EXPECT_EQ(set(setting.bounds.min), "") << setting.key;
    EXPECT_EQ(set(setting.bounds.max), "") << setting.key;
    EXPECT_THAT(set(setting.bounds.max + 1), HasSubstr(fmt::to_string(setting.bounds.max)));
    EXPECT_THAT(set(static_cast<std::int64_t>(setting.bounds.min) - 1), HasSubstr("expected"));
  }
}

TEST(LoadConfig, NeverShowsASecretInAMessage) {
  const std::string secret = "planted-secret";
  const std::string longer(5'000, 's');
  const auto loaded = load_config(
      {ConfigFile{"f", "[auth]\nhs256_secret = \"" + secret + "\"\napi_keys = \"" + secret +
                           "\"\n[store]\nurl = \"mysql://u:" + secret + "@h/d\"\n"},
       {{"RINGCAST_AUTH_API_KEYS", secret + ","}},
       {"auth.hs256_secret=" + longer, "store.url=redis://:" + secret + "@h",
        "auth.secret=" + secret}});
  EXPECT_GE(loaded.problems.size(), 4U);
  EXPECT_EQ(text_of(loaded).find("planted"), std::string::npos) << text_of(loaded);
  EXPECT_EQ(text_of(loaded).find("sss"), std::string::npos);
}

TEST(LoadConfig, PutsTheOriginBeforeAMistakeOfSeveralKeys) {
  const auto loaded = from_file("[[namespace]]\nname = \"chat\"\nhistory = \"store\"\n");
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_EQ(loaded.problems.front().where, "ringcast.toml:3:11");
  EXPECT_THAT(loaded.problems.front().what, HasSubstr("namespace.chat.history"));
}

TEST(ReadConfigFile, ReadsUpToItsLimit) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "ringcast_load_test.toml";
  const auto write = [&](std::size_t octets) {
    std::ofstream(path, std::ios::binary) << std::string(octets, '\n');
    return read_config_file(path.string());
  };
  EXPECT_EQ(write(kConfigBytesMax)->text.size(), kConfigBytesMax);
  EXPECT_FALSE(write(kConfigBytesMax + 1));
  std::filesystem::remove(path);
  EXPECT_FALSE(read_config_file(path.string()));
  EXPECT_FALSE(read_config_file(::testing::TempDir()));
}

TEST(RingcastEnvironment, GivesOnlyItsOwnVariables) {
  setenv("RINGCAST_ENGINE_SHARDS", "2", 1);
  const auto variables = ringcast_environment();
  unsetenv("RINGCAST_ENGINE_SHARDS");
  EXPECT_THAT(variables, ::testing::Contains(
                             std::pair<std::string, std::string>("RINGCAST_ENGINE_SHARDS", "2")));
  for (const auto& [name, value] : variables) EXPECT_TRUE(name.starts_with("RINGCAST_"));
}

}  // namespace
}  // namespace ringcast
