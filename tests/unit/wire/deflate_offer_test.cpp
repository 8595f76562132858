#include "wire/deflate_offer.hpp"

#include <gtest/gtest.h>

#include "wire/deflate.hpp"

namespace ringcast::wire {
namespace {

// The answer's parameters beyond the two that it always has; "none" if all is declined.
std::string answer_to(std::string_view offers) {
  const auto terms = choose_deflate(offers);
  if (!terms) return "none";
  const std::string answer = deflate_answer(*terms);
  const std::string always =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  EXPECT_TRUE(answer.starts_with(always)) << answer;
  return answer.substr(always.size());
}

TEST(DeflateOffer, AnswersWhatWasAskedAndNoMore) {
  EXPECT_EQ(answer_to("permessage-deflate"), "");
  EXPECT_EQ(answer_to("permessage-deflate; server_no_context_takeover"), "");
  EXPECT_EQ(answer_to("permessage-deflate; client_no_context_takeover"), "");
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits"), "");
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits=15"), "");
  EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits=8"), "");
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=15"),
            "; server_max_window_bits=12");
  EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=9"),
            "; server_max_window_bits=9");
  EXPECT_EQ(answer_to(" permessage-deflate ;\tclient_max_window_bits = \"1\\1\" "), "");
}

TEST(DeflateOffer, TakesTheFirstThatIsLegal) {
  EXPECT_EQ(answer_to("x-other; a=1, permessage-deflate; server_max_window_bits=10, "
                      "permessage-deflate"),
            "; server_max_window_bits=10");
  EXPECT_EQ(answer_to("permessage-deflate; unknown, permessage-deflate; client_max_window_bits"),
            "");
  EXPECT_EQ(answer_to(",, permessage-deflate ,"), "");
}

TEST(DeflateOffer, DeclinesWhatIsNotLegal) {
  for (const char* parameters :
       {"unknown", "server_no_context_takeover=1", "client_no_context_takeover=\"\"",
        "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16",
        "server_max_window_bits=08", "server_max_window_bits=9x",
        "server_max_window_bits=", "client_max_window_bits=7", "client_max_window_bits=16",
        "client_max_window_bits=012", "client_max_window_bits=\"\"", "client_max_window_bits=-9",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=9; server_max_window_bits=9", "Server_No_Context_Takeover"})
    EXPECT_EQ(answer_to(std::string("permessage-deflate; ") + parameters), "none") << parameters;
  for (const char* other : {"", ",", "x-webkit-deflate-frame", "deflate", "permessage-deflate2"})
    EXPECT_EQ(answer_to(other), "none") << other;
}

TEST(DeflateOffer, DeclinesAllOfAValueThatIsNotOfTheGrammar) {
  for (const char* wrong : {";", "a b", "a;", "a;;b", "a;=1", "a;b=", "a;b=\"x", "a;b=\"x y\"",
                            "a;b=\"\\", "a;b=\"x\"y", "a=1", "\"a\"", "a\x01"})
    EXPECT_EQ(answer_to(std::string("permessage-deflate, ") + wrong), "none") << wrong;
}

TEST(DeflateOffer, SaysWhoReadsSharedFrames) {
  const auto terms = [](std::string_view offer) { return choose_deflate(offer).value(); };
  EXPECT_TRUE(terms("permessage-deflate").reads_shared_frames());
  EXPECT_TRUE(terms("permessage-deflate; server_max_window_bits=12").reads_shared_frames());
  EXPECT_FALSE(terms("permessage-deflate; server_max_window_bits=11").reads_shared_frames());
}

}  // namespace
}  // namespace ringcast::wire
