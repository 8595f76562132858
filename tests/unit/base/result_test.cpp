#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace ringcast {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return {Errc::validation, "odd"};
  return number / 2;
}

TEST(Result, IsAValueOrAnError) {
  const auto good = half(4);
  ASSERT_TRUE(good);
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(*good, 2);
  const auto bad = half(3);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::validation);
  EXPECT_EQ(bad.error().detail, "odd");
}

TEST(Result, HoldsAndGivesAwayWhatOnlyMoves) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  ASSERT_TRUE(result);
  EXPECT_EQ(**result, 7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Result, HoldsAnErrorAsAValueApartFromAnError) {
  const Result<std::string> text(std::string("an error's text, but a value"));
  EXPECT_TRUE(text);
}

TEST(Result, OfNothingIsSuccessUnlessItIsAnError) {
  EXPECT_TRUE(Result<void>{});
  const Result<void> bad(Errc::conflict, "other bytes");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::conflict);
  const Result<void> passed_on(bad.error());
  EXPECT_EQ(passed_on.error().detail, "other bytes");
}

TEST(ResultDeathTest, StopsTheProcessOnTheWrongSide) {
  const auto good = half(4);
  const auto bad = half(3);
  EXPECT_DEATH(static_cast<void>(good.error()), "Result::error\\(\\) of a value");
  EXPECT_DEATH(static_cast<void>(bad.value()), "Result::value\\(\\) of an error");
  EXPECT_DEATH(static_cast<void>(Result<void>{}.error()), "of a success");
}

TEST(ErrorCode, IsOneForEachErrorWithAnHttpStatus) {
  std::set<std::string_view> codes;
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) {
    const auto [code, status] = error_code(static_cast<Errc>(i));
    EXPECT_TRUE(codes.insert(code).second) << code;
    EXPECT_EQ(code.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string_view::npos);
    EXPECT_GE(status, 400);
    EXPECT_LT(status, 600);
    EXPECT_EQ(errc_of(code), static_cast<Errc>(i));
  }
  EXPECT_EQ(errc_of("SEAT_TAKEN"), std::nullopt);
  EXPECT_EQ(codes.size(), 9U);
}

TEST(EnsureDeathTest, NamesTheInvariantAndThePlace) {
  ensure(true, "nothing");
  EXPECT_DEATH(ensure(false, "two and two"), "broken invariant: two and two .*result_test.cpp");
}

}  // namespace
}  // namespace ringcast
