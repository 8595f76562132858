#include "io/socket_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

namespace ringcast::io {

SocketFile::SocketFile(std::string path)
    : path_(std::move(path)), held_(::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)) {}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  if (this == &other) return *this;
  remove();
  path_ = std::move(other.path_);
  held_ = std::move(other.held_);
  return *this;
}

void SocketFile::remove() {
  struct stat ours {};
  struct stat there {};
  if (held_ && ::fstat(held_.get(), &ours) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
      ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
    (void)::unlink(path_.c_str());
  held_.reset();
}

}  // namespace ringcast::io
