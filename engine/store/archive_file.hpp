// Where rows go before they leave the outbox: a file of JSON lines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast {

// A row as an archive keeps it; all of it but the position. Views into what the store gave.
struct ArchivedRow {
  std::int64_t id = 0;
  std::string_view event_id = {};
  std::int64_t kind = 0;
  std::int64_t version = 1;
  std::optional<std::string_view> tenant_id = {};
  std::optional<std::string_view> aggregate_type = {};
  std::optional<std::string_view> aggregate_id = {};
  std::string_view event_type = {};
  std::optional<std::string_view> room = {};
  std::optional<std::string_view> exclude_user = {};
  std::optional<std::string_view> conflation_key = {};
  std::optional<std::int64_t> redrive_of = {};
  std::string_view occurred_at = {};
  std::string_view created_at = {};
  std::optional<std::string_view> headers = {};
  std::string_view payload = {};
};

// Appends the row as one line. Text that is not UTF-8 goes as hexadecimal into a field whose name
// ends with `Hex`, so that every row can be kept whatever it holds.
void append_archive_line(std::string& out, const ArchivedRow& row);

// A file that only grows. Opening it cuts off a line that an interrupted writer left unfinished;
// whole lines stay, so what was interrupted may stand there twice and is known by its id. A lock
// keeps a second writer out: `conflict`.
//
// Thread: outbox, start-up. Closed at its end. What append() took is safe only after sync().
class ArchiveFile final {
 public:
  static Result<ArchiveFile> open(const std::string& path);
  ArchiveFile(ArchiveFile&& other) noexcept;
  ArchiveFile& operator=(ArchiveFile&& other) noexcept;
  ~ArchiveFile();

  Result<void> append(std::string_view lines);
  Result<void> sync();

 private:
  ArchiveFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<void> cut_unfinished_line();
  [[nodiscard]] Error failed(std::string_view what) const;

  int fd_;
  std::string path_;
};

// The file of a day in `folder`; `day` is YYYYMMDD.
[[nodiscard]] std::string archive_path(const std::string& folder, std::string_view day);

}  // namespace ringcast
