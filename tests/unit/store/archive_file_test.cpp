#include "store/archive_file.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "message/json.hpp"
#include "unit/store/sqlite_backend.hpp"

namespace ringcast {

namespace {

using testing::HasSubstr;

class ArchiveFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return backend_.folder() + "/a.jsonl"; }
  [[nodiscard]] std::string contents() const {
    std::ifstream file(path());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& text) { std::ofstream(path()) << text; }

  SqliteBackend backend_;
};

TEST_F(ArchiveFileTest, AppendsWholeLinesBehindThoseThatAreThere) {
  for (const char* line : {"1\n", "2\n"}) {
    auto file = ArchiveFile::open(path());
    ASSERT_TRUE(file.ok()) << file.error().detail;
    ASSERT_TRUE(file->append(line).ok());
    ASSERT_TRUE(file->sync().ok());
  }
  EXPECT_EQ(contents(), "1\n2\n");
}

TEST_F(ArchiveFileTest, CutsOffWhatAnInterruptedWriterLeftUnfinished) {
  const std::string long_line(200'000, 'x');
  const struct {
    std::string found, left;
  } cases[] = {{"", ""},
               {"1\n", "1\n"},
               {"1\n2", "1\n"},
               {"12", ""},
               {"1\n" + long_line, "1\n"},
               {long_line, ""},
               {long_line + "\n", long_line + "\n"}};
  for (const auto& [found, left] : cases) {
    write(found);
    ASSERT_TRUE(ArchiveFile::open(path()).ok());
    EXPECT_EQ(contents(), left) << found.size();
  }
}

TEST_F(ArchiveFileTest, HasOneWriterAtATime) {
  {
    const auto first = ArchiveFile::open(path());
    ASSERT_TRUE(first.ok());
    const auto second = ArchiveFile::open(path());
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, Errc::conflict);
  }
  EXPECT_TRUE(ArchiveFile::open(path()).ok());
}

TEST_F(ArchiveFileTest, NamesAFileThatCanNotBeWritten) {
  for (const std::string& bad :
       {backend_.folder() + "/no/a.jsonl", backend_.folder(), std::string("/dev/null")}) {
    const auto refused = ArchiveFile::open(bad);
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_THAT(refused.error().detail, HasSubstr(bad));
  }
}

TEST(ArchiveLine, HoldsTheRowWhateverIsInIt) {
  ArchivedRow row;
  row.id = 7;
  row.event_id = "e";
  row.tenant_id = "42";
  row.aggregate_id = "a\"b\n";
  row.event_type = "a.b";
  row.redrive_of = 3;
  row.payload = "\xff";
  std::string line;
  append_archive_line(line, row);
  EXPECT_TRUE(check_json(line, JsonShape::object, "line").ok()) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  for (const char* field : {R"("id":7)", R"("tenantId":"42")", R"("room":null)", R"("redriveOf":3)",
                            R"("payloadHex":"ff")", R"("aggregateId":"a\"b\u000a")"})
    EXPECT_THAT(line, HasSubstr(field));
}

}  // namespace
}  // namespace ringcast
