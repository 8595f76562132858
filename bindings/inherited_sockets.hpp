// What the child of a fork holds of its parent's engine.
#pragma once

#include <string_view>

namespace ringcast::bindings {

// Closes every socket of this process whose own end is `address` (HOST:PORT) or the unix socket
// `path`, listening or accepted: in the child of a fork those are the parent's. A wildcard host
// stands for each of its addresses. Thread: any; only in such a child.
void close_inherited_sockets(std::string_view address, std::string_view path);

}  // namespace ringcast::bindings
