#include "pg/snapshot.hpp"

#include <gtest/gtest.h>

namespace ringcast::pg {
namespace {

TEST(Snapshot, IsReadFromItsTextForm) {
  const struct {
    const char* text;
    Xid xmin;
    Xid xmax;
  } cases[] = {{"1:1:", 1, 1},
               {"10:20:10,14,15", 10, 20},
               {"18446744073709551615:18446744073709551615:", ~Xid{0}, ~Xid{0}}};
  for (const auto& [text, xmin, xmax] : cases) {
    const auto snapshot = parse_snapshot(text);
    ASSERT_TRUE(snapshot) << text;
    EXPECT_EQ(snapshot->xmin, xmin);
    EXPECT_EQ(snapshot->xmax, xmax);
  }
}

TEST(Snapshot, IsRefusedInAnyOtherForm) {
  for (const char* text : {"", ":", "::", "1", "1:", "1:2",
                           "1:x:", "x:1:", ":1:", "2:1:", "-1:1:", "18446744073709551616:1:"})
    EXPECT_FALSE(parse_snapshot(text)) << text;
}

}  // namespace
}  // namespace ringcast::pg
