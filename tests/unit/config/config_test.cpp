#include "config/config.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

TEST(Config, GivesTheTenantNamespaceAStoreHistoryWhereThereIsAStore) {
  Config without;
  with_default_namespaces(without);
  EXPECT_EQ(namespace_for(without, "tenant:1").history, HistoryKind::memory);
  Config with;
  with.store.url = "sqlite:x";
  with_default_namespaces(with);
  EXPECT_EQ(namespace_for(with, "tenant:1").history, HistoryKind::store);
  EXPECT_EQ(namespace_for(with, "other:1").history, HistoryKind::memory);
}

TEST(Config, KeepsNamespacesThatAreConfiguredAndEndsWithTheStar) {
  Config config;
  config.store.url = "sqlite:x";
  config.namespaces.resize(3);
  config.namespaces[0].name = "*";
  config.namespaces[0].rooms_max = 1;
  config.namespaces[1].name = "tenant";
  config.namespaces[1].history = HistoryKind::none;
  config.namespaces[2].name = "chat";
  with_default_namespaces(config);
  with_default_namespaces(config);
  ASSERT_EQ(config.namespaces.size(), 3U);
  EXPECT_EQ(config.namespaces.back().name, "*");
  EXPECT_EQ(namespace_for(config, "tenant").history, HistoryKind::none);
  EXPECT_EQ(namespace_for(config, "x").rooms_max, 1U);
}

TEST(Config, FindsANamespaceByWhatStandsBeforeTheFirstColon) {
  Config config;
  config.namespaces.resize(1);
  config.namespaces[0].name = "chat";
  with_default_namespaces(config);
  for (const std::string_view room : {"chat", "chat:1", "chat:1:2"})
    EXPECT_EQ(namespace_for(config, room).name, "chat") << room;
  for (const std::string_view room : {"chats", "cha", "Chat:1", "*", ":chat"})
    EXPECT_EQ(namespace_for(config, room).name, "*") << room;
}

}  // namespace
}  // namespace ringcast
