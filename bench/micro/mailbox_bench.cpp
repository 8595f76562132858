// A message from one end of a mailbox to the other, without the wake.
#include <benchmark/benchmark.h>

#include "queue/mailbox.hpp"

namespace ringcast {

struct Message {
  std::uint64_t number = 0;
};

template <>
inline constexpr bool crosses_threads<Message> = true;

namespace {

void mailbox_hop(benchmark::State& state) {
  const auto bulk = static_cast<std::uint64_t>(state.range(0));
  Wakeup wakeup;
  Mailbox<Message> mailbox(wakeup);
  auto sender = mailbox.open(bulk);
  // On the heap: its places for refused mail are too many for a stack frame.
  const auto receiver = std::make_unique<Mailbox<Message>::Receiver>(mailbox);
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < bulk; ++i)
      if (!sender.try_send({i})) state.SkipWithError("no place");
    sender.wake();
    receiver->drain(bulk, [](Message&& message) {
      benchmark::DoNotOptimize(message.number);
      return true;
    });
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(mailbox_hop)->Arg(1)->Arg(16)->Arg(64)->Arg(256);

void mailbox_empty_poll(benchmark::State& state) {
  Wakeup wakeup;
  Mailbox<Message> mailbox(wakeup);
  std::vector<Mailbox<Message>::Sender> senders;
  for (int i = 0; i < state.range(0); ++i) senders.push_back(mailbox.open(1));
  const auto receiver = std::make_unique<Mailbox<Message>::Receiver>(mailbox);
  for (auto _ : state)
    benchmark::DoNotOptimize(receiver->drain(64, [](Message&&) { return true; }));
}
BENCHMARK(mailbox_empty_poll)->Arg(1)->Arg(4)->Arg(16);

}  // namespace
}  // namespace ringcast
