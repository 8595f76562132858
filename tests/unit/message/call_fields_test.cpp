#include "message/call_fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringcast {

bool operator==(const FieldProblem& a, const FieldProblem& b) {
  return a.field == b.field && a.problem == b.problem;
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Everything {
  std::string text = "before";
  bool flag = false;
  std::int64_t number = 7;
  double real = 0.5;
  std::vector<std::string> list;
  std::string json;
  std::optional<std::int64_t> maybe;
};

void read_fields(CallFields& in, Everything& out) {
  in.read("text", out.text, {1, 5}).read("flag", out.flag).read("number", out.number, {-1, 9});
  in.read("real", out.real).read("list", out.list, {1, 2}, {0, 3}).read_json("json", out.json);
  in.read("maybe", out.maybe, FieldRange{0, 1});
}

std::vector<FieldProblem> problems_of(std::string_view json, Everything& out) {
  CallFields fields(json);
  read_fields(fields, out);
  return fields.problems();
}

TEST(CallFields, ReadsEachTypeAndPassesOverWhatNobodyReads) {
  Everything out;
  EXPECT_THAT(problems_of(R"({"text":"\u00e9","flag":true,"number":-1,"real":3,"list":["a","bcd"],)"
                          R"("json":{"x":[1, null]},"maybe":1,"other":{}})",
                          out),
              IsEmpty());
  EXPECT_EQ(out.text, "é");
  EXPECT_TRUE(out.flag);
  EXPECT_EQ(out.number, -1);
  EXPECT_EQ(out.real, 3.0);
  EXPECT_THAT(out.list, ElementsAre("a", "bcd"));
  EXPECT_EQ(out.json, R"({"x":[1,null]})");
  EXPECT_EQ(out.maybe, 1);
}

TEST(CallFields, NamesEveryFieldThatIsMissing) {
  Everything out;
  EXPECT_THAT(problems_of(R"({"flag":null})", out),
              ElementsAre(FieldProblem{"text", "is missing"}, FieldProblem{"flag", "is missing"},
                          FieldProblem{"number", "is missing"}, FieldProblem{"real", "is missing"},
                          FieldProblem{"list", "is missing"}, FieldProblem{"json", "is missing"}));
  EXPECT_EQ(out.text, "before");
  EXPECT_EQ(out.number, 7);
}

TEST(CallFields, NamesEveryFieldOfAnotherTypeAndLeavesItAsItWas) {
  Everything out;
  EXPECT_THAT(
      problems_of(R"({"text":1,"flag":"yes","number":1.5,"real":[],"list":["a",2],"json":0,)"
                  R"("maybe":{}})",
                  out),
      ElementsAre(FieldProblem{"text", "is a number, expected a text"},
                  FieldProblem{"flag", "is a text, expected true or false"},
                  FieldProblem{"number", "is not a whole number of 64 bits"},
                  FieldProblem{"real", "is a list, expected a number"},
                  FieldProblem{"list[1]", "is not a text"},
                  FieldProblem{"maybe", "is an object, expected a whole number"}));
  EXPECT_EQ(out.text, "before");
  EXPECT_EQ(out.real, 0.5);
}

TEST(CallFields, HoldsTheRangesOnBothSides) {
  const auto problems = [](std::string_view text, std::string_view number, std::string_view list) {
    Everything out;
    return problems_of(std::string(R"({"flag":true,"real":1,"json":0,"text":)") +
                           std::string(text) + ",\"number\":" + std::string(number) +
                           ",\"list\":" + std::string(list) + "}",
                       out);
  };
  EXPECT_THAT(problems(R"("1")", "-1", R"([""])"), IsEmpty());
  EXPECT_THAT(problems(R"("12345")", "9", R"(["abc",""])"), IsEmpty());
  EXPECT_THAT(problems(R"("")", "-2", "[]"),
              ElementsAre(FieldProblem{"text", "has 0 octets, expected 1 to 5"},
                          FieldProblem{"number", "is -2, expected -1 to 9"},
                          FieldProblem{"list", "has 0 entries, expected 1 to 2"}));
  EXPECT_THAT(problems(R"("123456")", "10", R"(["abcd","",""])"),
              ElementsAre(FieldProblem{"text", "has 6 octets, expected 1 to 5"},
                          FieldProblem{"number", "is 10, expected -1 to 9"},
                          FieldProblem{"list[0]", "has 4 octets, expected 0 to 3"},
                          FieldProblem{"list", "has 3 entries, expected 1 to 2"}));
}

TEST(CallFields, SaysWhatIsNoObject) {
  CallFields fields("[1]");
  std::string text;
  fields.read("text", text);
  const auto error = fields.error();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code.of_engine(), Errc::validation);
  EXPECT_THAT(error->fields, ElementsAre(FieldProblem{"data", "is not an object"},
                                         FieldProblem{"text", "is missing"}));
}

TEST(CallFields, TakesWhatTheApplicationFindsWrong) {
  CallFields fields("{}");
  EXPECT_FALSE(fields.error());
  fields.wrong("until", "is before `from`");
  ASSERT_TRUE(fields.error());
  EXPECT_THAT(fields.error()->fields, ElementsAre(FieldProblem{"until", "is before `from`"}));
}

}  // namespace
}  // namespace ringcast
