#include "hub/publish_ask.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace ringcast {
namespace {

PublishAsk ask_of(PublishData data) {
  PublishAsk ask;
  ask.room = "chat:1";
  ask.type = "t";
  ask.data = std::move(data);
  return ask;
}

struct Case {
  std::string_view text;
  std::string_view kept;
};
constexpr Case kTexts[] = {
    {"{}", "{}"}, {" \t[1, 2]\t ", "[1, 2]"}, {"{\n  \"a\": \"x y\"\r\n}\n", R"({"a":"x y"})"}};

TEST(PublishMail, CopiesATextAsItsEventCarriesIt) {
  for (const auto& [text, kept] : kTexts) {
    std::string source(text);
    const PublishMail mail = publish_mail(ask_of(std::string_view(source)), {}, "", {});
    source.assign(source.size(), 'x');
    EXPECT_EQ(mail.event->data, kept);
    EXPECT_EQ(mail.event->room, "chat:1");
  }
}

TEST(PublishMail, RefersToAPayloadThatOthersShare) {
  const auto payload = std::make_shared<const std::string>("[1]");
  const PublishMail mail = publish_mail(ask_of(payload), {}, "", {});
  EXPECT_EQ(mail.event->data.data(), payload->data());
}

TEST(AppendMail, HasTheSamePayloadForATextAndForAPayload) {
  for (const auto& [text, kept] : kTexts)
    EXPECT_EQ(*append_mail(ask_of(text), "", {}).row.data, kept);
  const auto payload = std::make_shared<const std::string>("[1]");
  EXPECT_EQ(append_mail(ask_of(payload), "", {}).row.data, payload);
}

}  // namespace
}  // namespace ringcast
