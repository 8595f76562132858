#include "store/sqlite_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.hpp"

namespace ringcast {

SqliteWatch::SqliteWatch(const std::string& folder, std::string file, Nanos poll_interval,
                         Instant now)
    : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      file_(std::move(file)),
      poll_interval_(poll_interval),
      next_poll_(now + poll_interval) {
  constexpr std::uint32_t kEvents = IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO;
  if (fd_ >= 0 && inotify_add_watch(fd_, folder.c_str(), kEvents) < 0) {
    const int error = errno;
    ::close(std::exchange(fd_, -1));
    errno = error;
  }
  if (fd_ < 0)
    log::warning("store: no inotify for {} ({}), commits of others are seen by polling only",
                 folder, std::strerror(errno));
}

SqliteWatch::~SqliteWatch() {
  if (fd_ >= 0) ::close(fd_);
}

Instant SqliteWatch::arm(std::vector<pollfd>& fds) const {
  if (fd_ >= 0) fds.push_back({fd_, POLLIN, 0});
  if (look_ == kLooks.size()) return next_poll_;
  return std::min(next_poll_, burst_from_ + kLooks[look_]);
}

bool SqliteWatch::due(std::span<const pollfd> fds, Instant now) {
  const bool readable = std::any_of(fds.begin(), fds.end(), [this](const pollfd& polled) {
    return polled.fd == fd_ && polled.revents != 0;
  });
  if (readable && take_events()) {
    burst_from_ = now;
    look_ = 0;
  }
  bool look = false;
  if (now >= next_poll_) {
    next_poll_ = now + poll_interval_;
    look = true;
  }
  // A late wake-up stands for all the looks that it has missed.
  while (look_ < kLooks.size() && now >= burst_from_ + kLooks[look_]) {
    ++look_;
    look = true;
  }
  return look;
}

bool SqliteWatch::take_events() {
  alignas(inotify_event) std::array<char, 4'096> buffer;
  bool ours = false;
  for (;;) {
    const ssize_t length = ::read(fd_, buffer.data(), buffer.size());
    if (length <= 0) return ours;
    for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      // An overflow of the kernel's queue has no name: anything may have happened.
      if (event.len == 0 || concerns_us(buffer.data() + at + sizeof event)) ours = true;
      at += sizeof event + event.len;
    }
  }
}

// The file itself, its -wal, -shm and -journal.
bool SqliteWatch::concerns_us(std::string_view name) const {
  return name.starts_with(file_) && (name.size() == file_.size() || name[file_.size()] == '-');
}

}  // namespace ringcast
