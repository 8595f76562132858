#include "message/close_reason.hpp"

#include <gtest/gtest.h>

#include <map>

namespace ringcast {
namespace {

// RFC 6455 sections 5.5 and 7.4: a reason has at most 123 octets, and 1004 to 1006 and 1015 are
// never sent.
TEST(CloseReason, CanStandInACloseFrame) {
  for (int i = 0; i <= static_cast<int>(CloseReason::kicked); ++i) {
    const auto [code, text, reconnect] = close_row(static_cast<CloseReason>(i));
    EXPECT_TRUE((code >= 1000 && code <= 1014) || (code >= 4000 && code <= 4999)) << code;
    EXPECT_TRUE(code != 1004 && code != 1005 && code != 1006) << code;
    EXPECT_FALSE(text.empty()) << code;
    EXPECT_LE(text.size(), 123U) << code;
  }
}

// Two reasons may share a code of the RFC; a client has only that to judge by.
TEST(CloseReason, SaysByItsCodeAloneWhetherToComeBack) {
  std::map<std::uint16_t, bool> reconnect;
  for (int i = 0; i <= static_cast<int>(CloseReason::kicked); ++i) {
    const CloseRow row = close_row(static_cast<CloseReason>(i));
    EXPECT_EQ(reconnect.emplace(row.code, row.reconnect).first->second, row.reconnect) << row.code;
  }
}

TEST(CloseReason, SendsAClientBackOnlyWhereThatMayHelp) {
  EXPECT_TRUE(close_row(CloseReason::restart).reconnect);
  EXPECT_TRUE(close_row(CloseReason::slow_consumer).reconnect);
  EXPECT_FALSE(close_row(CloseReason::token_refused).reconnect);
  EXPECT_FALSE(close_row(CloseReason::protocol_error).reconnect);
  EXPECT_FALSE(close_row(CloseReason::kicked).reconnect);
}

}  // namespace
}  // namespace ringcast
