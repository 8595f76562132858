// What any bridge between a C++ thread and an asyncio loop costs at least: a method that does
// nothing, and a queue with an eventfd that is drained in bulk, with no engine behind it.
#include <concurrentqueue/concurrentqueue.h>
#include <pybind11/pybind11.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace py = pybind11;

namespace {

using Item = std::shared_ptr<const std::string>;

// Thread: Python's, but for what fill() starts and joins. Lives as long as Python holds it. Limit:
// none; a benchmark fills it as far as it wants.
class NullBridge final {
 public:
  NullBridge() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~NullBridge() { close(fd_); }
  NullBridge(const NullBridge&) = delete;
  NullBridge& operator=(const NullBridge&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  // From another thread, as an engine does it; one wake-up for all.
  void fill(std::size_t count, std::size_t bytes) {
    const py::gil_scoped_release released;
    std::thread([this, count, bytes] {
      for (std::size_t i = 0; i < count; ++i)
        queue_.enqueue(std::make_shared<const std::string>(bytes, 'x'));
      eventfd_write(fd_, 1);
    }).join();
  }

  // At most `most` payloads as bytes; less means that it was empty and waits for the next wake-up.
  py::list drain(std::size_t most) {
    eventfd_t woken = 0;
    eventfd_read(fd_, &woken);
    py::list taken;
    std::array<Item, 256> items;
    while (taken.size() < most) {
      const std::size_t count =
          queue_.try_dequeue_bulk(items.begin(), std::min(items.size(), most - taken.size()));
      if (count == 0) break;
      for (std::size_t i = 0; i < count; ++i) taken.append(py::bytes(*items.at(i)));
    }
    return taken;
  }

 private:
  moodycamel::ConcurrentQueue<Item> queue_;
  int fd_;
};

// Thread: Python's. What a publish costs that does nothing.
class Empty final {
 public:
  [[nodiscard]] int publish(std::string_view, std::string_view) const { return 0; }
};

}  // namespace

PYBIND11_MODULE(bench_null_bridge, module) {
  py::class_<NullBridge>(module, "NullBridge")
      .def(py::init<>())
      .def("fd", &NullBridge::fd)
      .def("fill", &NullBridge::fill)
      .def("drain", &NullBridge::drain);
  py::class_<Empty>(module, "Empty").def(py::init<>()).def("publish", &Empty::publish);
}
