// Messages in DEFLATE (RFC 1951), as permessage-deflate has them (RFC 7692 section 7.2): the empty
// block at their end, 00 00 ff ff, is left out. Nothing is carried over from message to message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wire/websocket_frame.hpp"

namespace ringcast::wire {

// Window of what we send. More gains nothing at the sizes of events (docs/adr/0002-deflate.md).
inline constexpr unsigned kDeflateWindowBits = 12;
inline constexpr unsigned kDeflateWindowBitsMax = 15;  // RFC 1951

// What one message of `bytes` may have in its compressed form: the worst that zlib makes of it
// under any of its settings. What has more says nothing with it.
[[nodiscard]] constexpr std::uint64_t compressed_bytes_max(std::uint64_t bytes) {
  return bytes + bytes / 8 + bytes / 64 + 16;
}

// One message, from its compressed octets in any pieces.
//
// Thread: its owner's. Lives while a message is in flight. Holds 39 KiB with the largest window,
// whatever a client may have agreed to: with a smaller one zlib's verdict depends on the pieces.
// Gives out at most bytes_max octets and then fails, however much the message would be.
class Inflater final {
 public:
  enum class Verdict : std::uint8_t {
    ok,
    too_large,  // `out` has bytes_max octets, and more would come
    broken,     // no DEFLATE, or it ends within a block
  };

  Inflater();
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  // Appends what the octets stand for; also what came before the place where they are wrong, so
  // that the verdict on a message is the same however it arrives.
  [[nodiscard]] Verdict feed(std::string_view compressed, std::string& out, std::size_t bytes_max);
  // After the last octet. Nothing may follow.
  [[nodiscard]] Verdict finish(std::string& out, std::size_t bytes_max);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  bool at_end_ = false;  // behind a block that said it is the last, with nothing after it
};

// Frames of whole messages, each on its own, so that one frame is good for every client.
//
// Thread: its owner's. Holds nothing before its first message, then 38 KiB and the space of the
// largest message.
class Deflater final {
 public:
  // Smaller messages are not worth it and stay as they are.
  explicit Deflater(std::size_t message_bytes_min);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Appends the message as one frame. True: compressed; false: it would not become smaller.
  bool append_frame(std::string& out, WebsocketOpcode opcode, std::string_view message);

 private:
  struct Stream;
  std::string_view deflate(std::string_view message);

  std::size_t message_bytes_min_;
  std::unique_ptr<Stream> stream_;
  std::string compressed_;
};

}  // namespace ringcast::wire
