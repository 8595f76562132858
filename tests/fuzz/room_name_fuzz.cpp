// Names that are taken keep the promises that everything behind them relies on.
#include "base/ensure.hpp"
#include "message/names.hpp"
#include "pieces.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ringcast;
  const std::string_view name = text_of(data, size);
  if (check_room(name).ok()) {
    ensure(!name.empty() && name.size() <= kRoomBytesMax, "a room is bounded");
    ensure(is_valid_utf8(name), "a room is UTF-8");
    ensure(name.find_first_of(std::string_view("\r\n\0*", 4)) == std::string_view::npos,
           "a room holds no line end and no pattern");
    const std::string_view space = namespace_of(name);
    ensure(!space.empty() && name.starts_with(space), "a room has a namespace");
  }
  if (check_event_type(name).ok())
    ensure(!is_reserved_event_type(name) && name.size() <= kEventTypeBytesMax, "a type is free");
  if (check_part(name, "part").ok()) ensure(check_room(name).ok(), "a part is a room's name too");
  if (const auto parsed = parse_room(name); parsed.ok()) {
    std::string room;
    if (parsed->module.empty())
      append_room(room, parsed->tenant);
    else
      append_room(room, parsed->tenant, parsed->module);
    ensure(room == name, "a tenant's room is written as it was read");
    ensure(check_room(name).ok(), "a tenant's room is a room");
  }
  return 0;
}
