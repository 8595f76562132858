#include "pg/window_reader.hpp"

#include <gmock/gmock.h>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Offset at(Offset no, Offset rank) { return no * kOffsetsPerWindow + rank; }

TEST(WindowRead, GivesCommittedRowsAtPositionsOfWindowAndRank) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  EXPECT_THAT(read_all(*store), IsEmpty());
  app.run("begin");
  app.insert("a");
  app.insert("b");
  app.run("commit");
  EXPECT_THAT(read_all(*store), ElementsAre(Seen{at(1, 1), "a"}, Seen{at(1, 2), "b"}));
  app.insert("c");
  EXPECT_THAT(read_all(*store), ElementsAre(Seen{at(2, 1), "c"}));
  EXPECT_THAT(read_all(*store), IsEmpty());
}

TEST(WindowRead, FindsARowWhoseTransactionCommitsAfterALaterOne) {
  TestDatabase database;
  auto store = opened(database.url());
  Session slow(database.url());
  Session quick(database.url());
  slow.run("begin");
  slow.insert("slow");
  quick.insert("quick");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("quick"));
  EXPECT_THAT(read_all(*store), IsEmpty());
  slow.run("commit");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("slow"));
}

TEST(WindowRead, NeverShowsARowThatWasRolledBack) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run("begin");
  app.insert("gone");
  EXPECT_THAT(read_all(*store), IsEmpty());
  app.run("rollback");
  EXPECT_THAT(read_all(*store), IsEmpty());
  app.insert("stays");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("stays"));
}

TEST(WindowRead, IsNotHeldUpByALongTransactionElsewhere) {
  TestDatabase database;
  auto store = opened(database.url());
  Session lazy(database.url());
  lazy.run("begin; create table public.elsewhere (a int); insert into public.elsewhere values (1)");
  Session app(database.url());
  for (const char* name : {"a", "b", "c"}) {
    app.insert(name);
    EXPECT_THAT(names_of(read_all(*store)), ElementsAre(name));
  }
}

}  // namespace
}  // namespace ringcast::pg
