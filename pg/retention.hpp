// Partitions that leave the outbox, by way of an archive or not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "store/archive_file.hpp"

namespace ringcast::pg {

// A partition of a day that is over, attached or waiting for its archive.
struct OldLeaf {
  std::string day;  // YYYYMMDD
  bool retired = false;

  [[nodiscard]] std::string table() const;
};

// Those of days before `before` (a date), the oldest first.
[[nodiscard]] Result<std::vector<OldLeaf>> old_leaves(Connection& connection,
                                                      const std::string& before);

enum class Retired : std::uint8_t { dropped, kept };

// ringcast.retire_leaf(). None: the leaf is out of the outbox, dropped or kept for an archive; else
// why it stays.
[[nodiscard]] Result<std::optional<std::string>> retire_leaf(Connection& connection,
                                                             const std::string& day, Retired how);
Result<void> drop_retired_leaf(Connection& connection, const std::string& day);

// Held by whoever archives, for the length of its session. False: another does.
[[nodiscard]] Result<bool> lock_archive(Connection& connection);
Result<void> unlock_archive(Connection& connection);

struct LeafPage {
  std::string lines;
  std::size_t rows = 0;
  std::int64_t last_id = 0;
};

// The rows behind `after_id`, at most kLeafPageRowsMax and, besides one, kLeafPageBytesMax of
// payload. Empty: there are no more.
[[nodiscard]] Result<LeafPage> read_leaf_page(Connection& connection, const OldLeaf& leaf,
                                              std::int64_t after_id);

// [outbox] retention_days and archive_folder on PostgreSQL. A leaf that is archived is first taken
// out of the outbox under another name, then written page by page, and dropped when the file is on
// the disk: whoever is interrupted leaves it for the next.
//
// Thread: outbox. Lives in the store, over many connections. A step is one leaf dropped or one page
// written.
class Retention final {
 public:
  explicit Retention(std::string folder) : folder_(std::move(folder)) {}

  // True: there is more to do. `days` >= 1.
  Result<bool> step(Connection& connection, std::int64_t days);
  // The connection is gone, and with it the lock of what was being archived.
  void forget() { archive_.reset(); }

 private:
  struct Archive {
    OldLeaf leaf;
    ArchiveFile file;
    std::int64_t last_id = 0;
  };

  Result<bool> begin_archive(Connection& connection, const OldLeaf& leaf);
  Result<bool> go_on(Connection& connection);
  Result<bool> end_archive(Connection& connection);

  std::string folder_;  // empty: leaves are dropped
  std::optional<Archive> archive_;
  std::string oldest_kept_;  // day, as the log has it
};

}  // namespace ringcast::pg
