// Positions that are read are written and read again the same. The first octet is the number of
// rooms.
#include "base/ensure.hpp"
#include "pieces.hpp"
#include "wire/sse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ringcast;
  if (size == 0) return 0;
  const std::size_t rooms = data[0] % (wire::kSseRoomsMax + 2);
  const auto positions = wire::parse_last_event_id(text_of(data + 1, size - 1), rooms);
  if (!positions.ok()) return 0;
  ensure(positions->size() == rooms, "one position a room");
  std::string out;
  wire::append_sse_id(out, *positions);
  ensure(out.starts_with("id: ") && out.ends_with("\n\n"), "a block");
  const std::string_view id(out.data() + 4, out.size() - 6);
  ensure(id.find_first_of("\r\n") == std::string_view::npos, "one line");
  const auto again = wire::parse_last_event_id(id, rooms);
  ensure(again.ok() && *again == *positions, "the same again");
  return 0;
}
