#include "message/event.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace ringcast {

namespace {

// Memory for a T and, behind it, `tail` octets more. Thread: any.
template <class T>
struct WithTail {
  using value_type = T;

  explicit WithTail(std::size_t tail_) : tail(tail_) {}
  template <class Other>
  WithTail(const WithTail<Other>& other) : tail(other.tail) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T) + tail));
  }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory); }
  template <class Other>
  bool operator==(const WithTail<Other>& other) const {
    return tail == other.tail;
  }

  std::size_t tail;
};

// What the events and their text lie behind. Lives as long as any of them is referred to.
struct alignas(Event) Head {
  Payload data;
};

static_assert(std::is_trivially_destructible_v<Event>);

}  // namespace

NewEvent make_events(const Event& fields, std::span<const std::string_view> rooms, Payload data) {
  std::size_t text_bytes = fields.type.size() + fields.exclude_user.size() + fields.key.size();
  for (const std::string_view room : rooms) text_bytes += room.size();
  if (!data) text_bytes += fields.data.size();
  const std::size_t events_bytes = rooms.size() * sizeof(Event);

  const auto head =
      std::allocate_shared<Head>(WithTail<Head>(events_bytes + text_bytes), Head{std::move(data)});
  auto* events = reinterpret_cast<Event*>(head.get() + 1);
  auto* text = reinterpret_cast<char*>(events) + events_bytes;
  const auto own = [&text](std::string_view from) {
    char* const to = text;
    text = std::copy(from.begin(), from.end(), to);
    return std::string_view(to, from.size());
  };

  // Whoever passes an event on looks at its room first, so that lies next to the fields.
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    new (events + i) Event(fields);
    events[i].room = own(rooms[i]);
  }
  Event shared = fields;
  shared.type = own(fields.type);
  shared.data = head->data ? std::string_view(*head->data) : own(fields.data);
  shared.exclude_user = own(fields.exclude_user);
  shared.key = own(fields.key);
  for (Event& event : std::span(events, rooms.size())) {
    event.type = shared.type;
    event.data = shared.data;
    event.exclude_user = shared.exclude_user;
    event.key = shared.key;
  }
  return {head, events};
}

}  // namespace ringcast
