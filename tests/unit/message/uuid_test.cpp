#include "message/uuid.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace ringcast {
namespace {

constexpr std::string_view kText = "01234567-89ab-cdef-0123-456789abcdef";

TEST(Uuid, IsReadInBothCasesAndShownInLower) {
  const auto uuid = Uuid::parse(kText);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid->bytes[0], 0x01);
  EXPECT_EQ(uuid->bytes[15], 0xef);
  EXPECT_EQ(uuid->text(), kText);
  EXPECT_EQ(Uuid::parse("01234567-89AB-CDEF-0123-456789ABCDEF"), uuid);
  std::string out = "id=";
  uuid->append_to(out);
  EXPECT_EQ(out, "id=" + std::string(kText));
}

TEST(Uuid, HasNoOtherForm) {
  for (const std::string_view text :
       {"", "0123456789abcdef0123456789abcdef", "{01234567-89ab-cdef-0123-456789abcdef}",
        "urn:uuid:01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0", "01234567_89ab-cdef-0123-456789abcdef",
        "0123456-789ab-cdef-0123-456789abcdef", "g1234567-89ab-cdef-0123-456789abcdef",
        "01234567-89ab-cdef-0123-456789abcde ",
        "01234567-89ab-cdef-0123-45678\xc3\xa9"
        "bcdef",
        "------------------------------------"})
    EXPECT_FALSE(Uuid::parse(text)) << text;
}

TEST(Uuid, RefusesAnyOneWrongCharacter) {
  for (std::size_t i = 0; i < kText.size(); ++i)
    for (const char wrong : {'g', ' ', '\0', '\x80'}) {
      std::string text(kText);
      text[i] = wrong;
      EXPECT_FALSE(Uuid::parse(text)) << i;
    }
}

// RFC 9562 section 5.4.
TEST(Uuid, IsRandomOfVersion4) {
  std::set<Uuid> seen;
  for (int i = 0; i < 10'000; ++i) {
    const Uuid uuid = Uuid::random();
    ASSERT_EQ(uuid.bytes[6] >> 4, 4);
    ASSERT_EQ(uuid.bytes[8] >> 6, 2);
    ASSERT_TRUE(seen.insert(uuid).second);
    ASSERT_EQ(Uuid::parse(uuid.text()), uuid);
  }
}

TEST(Uuid, IsRandomInEveryThread) {
  Uuid other;
  std::thread([&other] { other = Uuid::random(); }).join();
  EXPECT_NE(Uuid::random(), other);
}

}  // namespace
}  // namespace ringcast
