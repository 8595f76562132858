#include "hub/publish_ask.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "message/names.hpp"

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

PublishAsk named(std::string_view key, std::string_view idempotency_key, std::string_view user) {
  PublishAsk ask = ask_of(std::string_view("1"));
  ask.key = key;
  ask.idempotency_key = idempotency_key;
  ask.exclude_user = user;
  return ask;
}

TEST(PublishAsk, KeysAreTakenUpToTheirLimitAndRefusedBeyondItByTheirField) {
  const std::string key(kKeyBytesMax, 'k');
  const std::string user(kPartBytesMax, 'u');
  EXPECT_TRUE(check_keys(named("", "", "")).ok());
  EXPECT_TRUE(check_keys(named(key, key, user)).ok());
  const auto refusal = [](const PublishAsk& ask) { return check_keys(ask).error().detail; };
  EXPECT_EQ(refusal(named(key + "k", "", "")), "key: has 256 octets, at most 255");
  EXPECT_EQ(refusal(named("", key + "k", "")), "idempotencyKey: has 256 octets, at most 255");
  EXPECT_TRUE(refusal(named("", "", user + "u")).starts_with("excludeUser: "));
  EXPECT_TRUE(refusal(named("", "", "a user")).starts_with("excludeUser: "));
}

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
