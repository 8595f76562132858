// The file of a unix socket, for as long as somebody listens on it.
#pragma once

#include <string>

#include "io/file_descriptor.hpp"

namespace ringcast::io {

// Removes the file, unless another has taken its place meanwhile: a daemon that ends must not take
// away the socket of the one that followed it.
//
// Thread: its owner's. Lives as long as its owner wants to be found; a process that is killed
// leaves the file behind.
class SocketFile final {
 public:
  SocketFile() = default;  // none
  explicit SocketFile(std::string path);
  SocketFile(SocketFile&& other) noexcept = default;
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile() { remove(); }

  void remove();

 private:
  std::string path_;
  FileDescriptor held_;  // keeps the number of the file's inode from being given to another
};

}  // namespace ringcast::io
