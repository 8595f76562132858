#include "store/event_schemas.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace ringcast {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// A folder of schemas of the test's own.
class EventSchemasTest : public testing::Test {
 protected:
  EventSchemasTest() {
    std::string pattern = (fs::temp_directory_path() / "schemas-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    config_.schemas = folder_.string();
  }
  ~EventSchemasTest() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  EventSchemas load() {
    auto loaded = EventSchemas::load(config_);
    EXPECT_TRUE(loaded.ok()) << loaded.error().detail;
    return std::move(loaded).value();
  }
  std::string refused() {
    const auto loaded = EventSchemas::load(config_);
    return loaded.ok() ? "loaded" : loaded.error().detail;
  }
  // What check() says; "" when it is content.
  std::string said(EventSchemas& schemas, const std::string& type, const std::string& payload) {
    const auto checked = schemas.check(type, payload);
    return checked.ok() ? "" : checked.error().detail;
  }

  fs::path folder_;
  OutboxConfig config_;
};

constexpr const char* kTask = R"({
  "type": "object", "required": ["id", "progress"], "additionalProperties": false,
  "properties": {
    "id": {"type": "string", "minLength": 1},
    "progress": {"type": "number", "minimum": 0, "maximum": 100},
    "steps": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
  }})";

TEST_F(EventSchemasTest, APayloadThatFitsPasses) {
  write("kitchen.task.progress.json", kTask);
  auto schemas = load();
  EXPECT_EQ(schemas.size(), 1U);
  EXPECT_EQ(said(schemas, "kitchen.task.progress", R"({"id":"7","progress":100})"), "");
  EXPECT_EQ(said(schemas, "kitchen.task.progress", R"({"id":"7","progress":0.5,"steps":[]})"), "");
}

TEST_F(EventSchemasTest, NamesEveryOffendingField) {
  write("kitchen.task.progress.json", kTask);
  auto schemas = load();
  const std::string error = said(schemas, "kitchen.task.progress",
                                 R"({"id":"","progress":101,"steps":[{"name":"a"},{"name":2}]})");
  EXPECT_THAT(error, AllOf(HasSubstr("payload.id: "), HasSubstr("payload.progress: "),
                           HasSubstr("payload.steps[1].name: ")));
  EXPECT_THAT(said(schemas, "kitchen.task.progress", R"({"progress":1,"x":1})"),
              AllOf(HasSubstr("'id'"), HasSubstr("'x'")));
}

TEST_F(EventSchemasTest, ATypeWithoutASchemaPassesOrNot) {
  write("a.b.json", R"({"type":"object"})");
  auto lenient = load();
  EXPECT_EQ(said(lenient, "c.d", "{}"), "");
  config_.unknown_events = UnknownEvents::reject;
  auto strict = load();
  EXPECT_EQ(said(strict, "a.b", "{}"), "");
  const auto checked = strict.check("c.d", "{}");
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, Errc::not_found);
  EXPECT_THAT(checked.error().detail, HasSubstr("c.d has no schema"));
}

TEST_F(EventSchemasTest, WithoutAFolderNothingHasASchema) {
  config_.schemas.clear();
  auto schemas = load();
  EXPECT_EQ(schemas.size(), 0U);
  EXPECT_EQ(said(schemas, "a.b", "{}"), "");
}

TEST_F(EventSchemasTest, ReferencesStayInsideTheFile) {
  write("a.b.json", R"({"definitions":{"id":{"type":"string"}},
                        "properties":{"id":{"$ref":"#/definitions/id"}}})");
  auto schemas = load();
  EXPECT_THAT(said(schemas, "a.b", R"({"id":1})"), HasSubstr("payload.id: "));
  write("c.d.json", R"({"properties":{"id":{"$ref":"http://example.com/id.json"}}})");
  EXPECT_THAT(refused(), AllOf(HasSubstr("c.d.json"), HasSubstr("$ref")));
}

TEST_F(EventSchemasTest, AMistakeIsToldWithItsPlaceAndItsMember) {
  const struct {
    const char* text;
    const char* says;
  } rows[] = {
      {"{\n \"type\": \"object\",\n \"x\" 1\n}", ":3:6: a.b: schema: is not JSON"},
      {"{\n  \"properties\": {\n    \"a\": {\"type\": \"objekt\"}}}",
       ":3:19: a.b: properties.a.type: is not a JSON Schema: "},
      {"{\"allOf\": [{}, {\"items\": {\n\"maxLength\": \"x\"}}]}",
       ":2:14: a.b: allOf.1.items.maxLength: is not a JSON Schema: "},
      {"{\"properties\": {\"say \\\"x\\\"\": {}, \"a\": {\"$ref\": \"#/definitions/none\"}}}",
       ":1:48: a.b: properties.a.$ref: found #/definitions/none, which is not in this file"},
      {"{\"properties\":\n{\"a\": {\"pattern\": \"[\"}}}",
       ":2:19: a.b: properties.a.pattern: is not a JSON Schema: no regular expression"},
      {"{\"enum\": [{\"pattern\": \"[\"}], \"minimum\": {}}", ":1:41: a.b: minimum: "},
      {"[]", ":1:1: a.b: schema: "},
  };
  for (const auto& [text, says] : rows) {
    write("a.b.json", text);
    EXPECT_THAT(refused(), HasSubstr("a.b.json" + std::string(says))) << text;
  }
  write("c.d.json", "{");
  write("good.json", R"({"definitions":{"x":{"type":"string"}},"$ref":"#/definitions/x"})");
  EXPECT_THAT(EventSchemas::problems_in(config_),
              testing::ElementsAre(HasSubstr("a.b.json:1:1: a.b"), HasSubstr("c.d.json:1:")));
}

TEST_F(EventSchemasTest, WhatIsNoSchemaIsRefusedWithItsFile) {
  struct Row {
    const char* name;
    const char* text;
    const char* says;
  };
  for (const Row& row : {Row{"a.b.json", "{", "a.b.json"}, Row{"a.b.json", "[]", "schema"},
                         Row{"a.b.json", R"({"type":"objekt"})", "is not a JSON Schema"},
                         Row{"a.b.json", R"({"properties":7})", "is not a JSON Schema"},
                         Row{"a.b.json", R"({"properties":{"$ref":"x","a":{"$ref":"b"}}})", "$ref"},
                         Row{"gap.json", "{}", "reserved"}}) {
    write(row.name, row.text);
    EXPECT_THAT(refused(),
                AllOf(StartsWith("outbox.schemas: "), HasSubstr(row.name), HasSubstr(row.says)))
        << row.text;
    fs::remove(folder_ / row.name);
  }
  config_.schemas = (folder_ / "nothing").string();
  EXPECT_THAT(refused(), HasSubstr("No such file"));
}

TEST_F(EventSchemasTest, OtherFilesOfTheFolderAreNoSchemas) {
  write("README.md", "# not a schema");
  EXPECT_EQ(load().size(), 0U);
}

TEST_F(EventSchemasTest, ASchemaHasAtMostItsOctets) {
  const std::string begin = R"({"title":")";
  const std::string end = R"("})";
  const auto title = [&](std::size_t bytes) {
    return begin + std::string(bytes - begin.size() - end.size(), 'x') + end;
  };
  write("a.b.json", title(EventSchemas::kSchemaBytesMax));
  EXPECT_EQ(load().size(), 1U);
  write("a.b.json", title(EventSchemas::kSchemaBytesMax + 1));
  EXPECT_THAT(refused(), HasSubstr("1048577 octets"));
}

TEST_F(EventSchemasTest, AFolderHasAtMostItsSchemas) {
  for (std::size_t i = 0; i < EventSchemas::kSchemasMax; ++i)
    write("a." + std::to_string(i) + ".json", "{}");
  EXPECT_EQ(load().size(), EventSchemas::kSchemasMax);
  write("a.more.json", "{}");
  EXPECT_THAT(refused(), HasSubstr("1025 schemas"));
}

// std::regex recurses for each character: without the limit a long text ends the process.
TEST_F(EventSchemasTest, ATextUnderAPatternHasAtMostItsOctets) {
  config_.schema_text_bytes_max = 2'048;
  write("a.b.json", R"({"properties":{"id":{"type":"string","pattern":"^(a|b)*$"}}})");
  auto schemas = load();
  const auto id = [](std::size_t bytes) { return R"({"id":")" + std::string(bytes, 'a') + "\"}"; };
  EXPECT_EQ(said(schemas, "a.b", id(2'048)), "");
  EXPECT_THAT(said(schemas, "a.b", id(2'049)),
              AllOf(StartsWith("payload.id: "), HasSubstr("2048 octets")));
  EXPECT_THAT(said(schemas, "a.b", R"({"x":[{"y":")" + std::string(2'049, 'a') + "\"}]}"),
              StartsWith("payload.x[0].y: "));
  EXPECT_THAT(said(schemas, "a.b", "{\"" + std::string(2'049, 'a') + "\":1}"),
              StartsWith("payload, a member's name: "));
  EXPECT_THAT(said(schemas, "a.b", R"({"id":"c"})"), HasSubstr("payload.id: "));
}

TEST_F(EventSchemasTest, WithoutPatternATextIsAsLongAsTheEnvelopeMayBe) {
  write("a.b.json", R"({"properties":{"note":{"type":"string"}}})");
  auto schemas = load();
  EXPECT_EQ(said(schemas, "a.b", R"({"note":")" + std::string(60'000, 'a') + "\"}"), "");
}

TEST_F(EventSchemasTest, FormatsAreChecked) {
  write("a.b.json", R"({"properties":{"at":{"type":"string","format":"date-time"}}})");
  auto schemas = load();
  EXPECT_EQ(said(schemas, "a.b", R"({"at":"2026-03-01T09:30:00Z"})"), "");
  EXPECT_THAT(said(schemas, "a.b", R"({"at":"yesterday"})"), HasSubstr("payload.at: "));
}

}  // namespace
}  // namespace ringcast
