// What one event costs before it is sent: checked on entry, encoded once; and what a client's
// message costs to unmask.
#include <benchmark/benchmark.h>

#include <vector>

#include "hub/encoder.hpp"
#include "load/json_rows.hpp"
#include "message/json.hpp"
#include "protocol/native.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast {
namespace {

// Valid JSON of about so many octets: an object with a few fields and one long one.
std::string payload_of(std::size_t bytes) {
  std::string json = R"({"id":12345,"title":"a task","done":false,"tags":["a","b"],"text":")";
  while (json.size() + 2 < bytes) json += static_cast<char>('a' + json.size() % 26);
  return json + "\"}";
}

EventRef event_of(std::string_view data) {
  constexpr std::string_view kRoom = "tenant:42:kitchen";
  return make_events({Uuid::random(), {}, "task:moved", data, {}, {}, {}, 123'456'789},
                     std::span(&kRoom, 1));
}

void payload_validation(benchmark::State& state) {
  const std::string json = payload_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    auto checked = check_payload(json, JsonShape::any, "data");
    benchmark::DoNotOptimize(checked.ok());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(json.size()));
}
BENCHMARK(payload_validation)->Arg(128)->Arg(300)->Arg(1'024)->Arg(16'384);

// A client's publish with so many octets of data: checked, its fields read, its data owned.
void publish_decode(benchmark::State& state) {
  const std::string json = R"({"type":"publish","room":"chat:7","event":"said","data":)" +
                           payload_of(static_cast<std::size_t>(state.range(0))) + R"(,"id":17})";
  for (auto _ : state) {
    auto message = protocol::decode_native(json);
    benchmark::DoNotOptimize(message.request.ok());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(publish_decode)->Arg(64)->Arg(128)->Arg(1'024);

template <Encoding encoding>
void frame_encode(benchmark::State& state) {
  const EventRef event = event_of(payload_of(static_cast<std::size_t>(state.range(0))));
  const Epoch epoch = "0123abcd";
  ShardMetrics metrics;
  Encoder encoder(256, metrics);
  auto batch = std::make_shared<Batch>();
  for (auto _ : state) {
    if (batch->frames() == 1'024) batch = std::make_shared<Batch>();
    encoder.append_frame(encoding, *event, epoch, *batch);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(frame_encode<Encoding::native>)->Arg(128)->Arg(1'024)->Arg(16'384);
BENCHMARK(frame_encode<Encoding::sse>)->Arg(128)->Arg(1'024);

// Of rows, unlike payload_of(): what compressing a frame costs once, and `octets`: what it has on
// the wire, for each subscriber.
template <Encoding encoding>
void rows_encode(benchmark::State& state) {
  std::vector<EventRef> events;
  for (unsigned seed = 0; seed < 16; ++seed)
    events.push_back(event_of(bench::json_rows(static_cast<std::size_t>(state.range(0)), seed)));
  ShardMetrics metrics;
  Encoder encoder(0, metrics);
  auto batch = std::make_shared<Batch>();
  std::size_t octets = 0;
  std::size_t frames = 0;
  for (auto _ : state) {
    if (batch->frames() == 64) batch = std::make_shared<Batch>();
    const std::size_t before = batch->size();
    encoder.append_frame(encoding, *events[frames++ % events.size()], "0123abcd", *batch);
    octets += batch->size() - before;
  }
  state.counters["octets"] = static_cast<double>(octets) / static_cast<double>(frames);
}
BENCHMARK(rows_encode<Encoding::native>)->Arg(128)->Arg(1'024)->Arg(16'384);
BENCHMARK(rows_encode<Encoding::native_deflate>)->Arg(128)->Arg(1'024)->Arg(16'384);

void unmask(benchmark::State& state) {
  std::string payload(static_cast<std::size_t>(state.range(0)), 'x');
  const std::array<char, 4> mask{0x11, 0x22, 0x33, 0x44};
  for (auto _ : state) {
    wire::unmask(payload, mask, 1);
    benchmark::DoNotOptimize(payload.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(unmask)->Arg(128)->Arg(1'024)->Arg(16'384);

}  // namespace
}  // namespace ringcast
