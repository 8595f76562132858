#include "queue/latest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace ringcast {
namespace {

TEST(Latest, GivesADefaultBeforeAnythingWasSet) {
  const Latest<int> latest;
  EXPECT_EQ(latest.get(), 0);
}

TEST(Latest, GivesWhatWasSetLast) {
  Latest<std::string> latest;
  latest.set("first");
  latest.set("second");
  EXPECT_EQ(latest.get(), "second");
  EXPECT_EQ(latest.get(), "second") << "looking takes nothing away";
}

TEST(Latest, AReaderSeesWholeValuesThatNeverGoBack) {
  constexpr std::size_t kLast = 2'000;
  Latest<std::string> latest;
  std::thread writer([&] {
    for (std::size_t i = 1; i <= kLast; ++i) latest.set(std::string(i, 'x'));
  });
  std::size_t seen = 0;
  while (seen < kLast) {
    const std::string now = latest.get();
    ASSERT_GE(now.size(), seen);
    ASSERT_EQ(now.find_first_not_of('x'), std::string::npos);
    seen = now.size();
  }
  writer.join();
}

}  // namespace
}  // namespace ringcast
