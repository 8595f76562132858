#include "store/sqlite_operator.hpp"

#include <gmock/gmock.h>

#include <filesystem>

#include "store/sqlite_schema.hpp"
#include "unit/store/sqlite_backend.hpp"

namespace ringcast {

namespace {

TEST(SqliteOperator, MakesNoFile) {
  const SqliteBackend backend;
  const auto refused = SqliteOperator::open("sqlite:" + backend.path());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(backend.path()));
}

TEST(SqliteOperator, AnotherSchemaIsRefused) {
  const SqliteBackend backend;
  {
    auto connection = SqliteConnection::open(backend.path(), 1'000);
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE(migrate_sqlite(*connection, StoreConfig::Migrate::apply, "", 1).ok());
  }
  const auto refused = SqliteOperator::open("sqlite:" + backend.path());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("has schema 1, expected"));
}

}  // namespace
}  // namespace ringcast
