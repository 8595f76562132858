#include "clients_process.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <tuple>
#include <utility>

#include "load/gathering.hpp"

namespace ringcast::bench {

namespace {

struct Order {
  std::uint16_t port;
  std::size_t connections;
};

// Never returns. Ends when nobody holds the other end of `orders`.
[[noreturn]] void serve(int orders, int answers) {
  Order order{};
  if (::read(orders, &order, sizeof order) != sizeof order) std::_Exit(0);
  auto gathering = Gathering::join(order.port, "native", {.per_room = order.connections});
  const char answer = gathering ? 'y' : 'n';
  std::ignore = ::write(answers, &answer, 1);
  char none = 0;
  std::ignore = ::read(orders, &none, 1);
  std::_Exit(0);
}

}  // namespace

Result<ClientsProcess> ClientsProcess::fork() {
  int orders[2];
  int answers[2];
  if (::pipe(orders) != 0 || ::pipe(answers) != 0) return {Errc::unavailable, "pipe() failed"};
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(orders[1]);
    ::close(answers[0]);
    serve(orders[0], answers[1]);
  }
  ::close(orders[0]);
  ::close(answers[1]);
  if (pid < 0) return {Errc::unavailable, "fork() failed"};
  return ClientsProcess(pid, orders[1], answers[0]);
}

ClientsProcess::ClientsProcess(ClientsProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), orders_(other.orders_), answers_(other.answers_) {}

ClientsProcess::~ClientsProcess() {
  if (pid_ < 0) return;
  ::close(orders_);
  ::close(answers_);
  ::waitpid(pid_, nullptr, 0);
}

Result<void> ClientsProcess::join(std::uint16_t port, std::size_t connections) {
  const Order order{port, connections};
  char answer = 0;
  if (::write(orders_, &order, sizeof order) != sizeof order || ::read(answers_, &answer, 1) != 1 ||
      answer != 'y')
    return {Errc::unavailable, "the clients' process could not connect"};
  return {};
}

}  // namespace ringcast::bench
