#include "store/archive_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

constexpr mode_t kMode = 0640;
constexpr off_t kLookBack = 64 << 10;

void append_hex(std::string& out, std::string_view bytes) {
  for (const char byte : bytes)
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(byte));
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (is_valid_utf8(value)) return append_json_field(out, name, value);
  fmt::format_to(std::back_inserter(out), ",\"{}Hex\":\"", name);
  append_hex(out, value);
  out += '"';
}

void append_text(std::string& out, std::string_view name,
                 const std::optional<std::string_view>& value) {
  if (value) return append_text(out, name, *value);
  fmt::format_to(std::back_inserter(out), ",\"{}\":null", name);
}

}  // namespace

void append_archive_line(std::string& out, const ArchivedRow& row) {
  const auto into = std::back_inserter(out);
  fmt::format_to(into, "{{\"id\":{}", row.id);
  append_text(out, "eventId", row.event_id);
  fmt::format_to(into, ",\"kind\":{},\"version\":{}", row.kind, row.version);
  append_text(out, "tenantId", row.tenant_id);
  append_text(out, "aggregateType", row.aggregate_type);
  append_text(out, "aggregateId", row.aggregate_id);
  append_text(out, "eventType", row.event_type);
  append_text(out, "room", row.room);
  append_text(out, "excludeUser", row.exclude_user);
  append_text(out, "conflationKey", row.conflation_key);
  fmt::format_to(into, ",\"redriveOf\":{}",
                 row.redrive_of ? std::to_string(*row.redrive_of) : "null");
  append_text(out, "occurredAt", row.occurred_at);
  append_text(out, "createdAt", row.created_at);
  append_text(out, "headers", row.headers);
  append_text(out, "payload", row.payload);
  out += "}\n";
}

Result<ArchiveFile> ArchiveFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  ArchiveFile opened(fd, path);
  if (fd < 0) return opened.failed("can not be opened");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return opened.failed("can not be locked");
    return {Errc::conflict, fmt::format("archive: {}: another program writes it", path)};
  }
  if (auto cut = opened.cut_unfinished_line(); !cut) return cut.error();
  return opened;
}

ArchiveFile::ArchiveFile(ArchiveFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

ArchiveFile& ArchiveFile::operator=(ArchiveFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

ArchiveFile::~ArchiveFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> ArchiveFile::cut_unfinished_line() {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return failed("can not be read");
  // A device or a pipe has no lines to be cut, and nothing that could be synced.
  if (!S_ISREG(status.st_mode))
    return {Errc::validation, fmt::format("archive: {} is no file", path_)};
  std::string block(kLookBack, '\0');
  off_t end = status.st_size;
  while (end > 0) {
    const off_t from = std::max<off_t>(0, end - kLookBack);
    const ssize_t got = ::pread(fd_, block.data(), static_cast<std::size_t>(end - from), from);
    if (got != end - from) return failed("can not be read");
    const auto newline = std::string_view(block.data(), static_cast<std::size_t>(got)).rfind('\n');
    if (newline != std::string_view::npos) {
      end = from + static_cast<off_t>(newline) + 1;
      break;
    }
    end = from;
  }
  if (end != status.st_size && ::ftruncate(fd_, end) != 0) return failed("can not be written");
  return {};
}

Result<void> ArchiveFile::append(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t written = ::write(fd_, lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("can not be written");
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// The folder too: a file that was just made is lost without its name.
Result<void> ArchiveFile::sync() {
  if (::fsync(fd_) != 0) return failed("can not be written to disk");
  const auto parent = std::filesystem::path(path_).parent_path();
  const int folder =
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return failed("its folder can not be opened");
  const bool synced = ::fsync(folder) == 0;
  ::close(folder);
  if (!synced) return failed("its folder can not be written to disk");
  return {};
}

Error ArchiveFile::failed(std::string_view what) const {
  return {Errc::validation, fmt::format("archive: {} {}: {}", path_, what, std::strerror(errno))};
}

std::string archive_path(const std::string& folder, std::string_view day) {
  return (std::filesystem::path(folder) / fmt::format("outbox-{}.jsonl", day)).string();
}

}  // namespace ringcast
