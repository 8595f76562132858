#include "bindings/inherited_sockets.hpp"

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <vector>

#include "config/check.hpp"
#include "io/socket_address.hpp"

namespace ringcast::bindings {

namespace {

std::vector<int> open_descriptors() {
  std::vector<int> found;
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd >= 0 && fd != ::dirfd(folder)) found.push_back(fd);
  }
  ::closedir(folder);
  return found;
}

bool is_own_end(const io::SocketAddress& end, std::string_view address, std::string_view path) {
  if (end.family() == AF_UNIX) return !path.empty() && end.path() == path;
  if (end.family() != AF_INET && end.family() != AF_INET6) return false;
  const auto listening = parse_listen_address(address);
  if (!listening || end.port() != listening->port) return false;
  const bool wildcard = listening->host == "0.0.0.0" || listening->host == "::";
  return wildcard || end.to_string() == address;
}

}  // namespace

void close_inherited_sockets(std::string_view address, std::string_view path) {
  for (const int fd : open_descriptors()) {
    io::SocketAddress end;
    end.size = sizeof end.storage;
    auto* raw = reinterpret_cast<sockaddr*>(&end.storage);
    if (::getsockname(fd, raw, &end.size) == 0 && is_own_end(end, address, path)) ::close(fd);
  }
}

}  // namespace ringcast::bindings
