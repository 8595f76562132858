#include "wire/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/ensure.hpp"

namespace ringcast::wire {

namespace {

using namespace std::string_view_literals;

// RFC 7692 section 7.2.1: what a sender takes off, and a receiver puts back.
constexpr std::string_view kEnd = "\x00\x00\xff\xff"sv;

// What inflate() says of where it stands (zlib.h, data_type): bits it holds, and "between blocks".
constexpr int kBitsHeld = 0x3f;
constexpr int kBetweenBlocks = 0x80;

// The fastest: a higher level takes up to twice the time for 1 to 4 % fewer octets. The memory
// level fits the window.
constexpr int kLevel = 1;
constexpr int kMemoryLevel = 5;

// zlib's interface is not const, but it never writes to its input.
Bytef* input_of(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

struct Inflater::Stream {
  Stream() {
    const int made = inflateInit2(&z, -static_cast<int>(kDeflateWindowBitsMax));
    ensure(made == Z_OK, "inflateInit2 failed");
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  z_stream z{};
};

Inflater::Inflater() : stream_(std::make_unique<Stream>()) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

Inflater::Verdict Inflater::feed(std::string_view compressed, std::string& out,
                                 std::size_t bytes_max) {
  ensure(compressed.size() <= std::numeric_limits<uInt>::max(), "Inflater: too much at once");
  if (compressed.empty()) return Verdict::ok;
  z_stream& z = stream_->z;
  z.next_in = input_of(compressed);
  z.avail_in = static_cast<uInt>(compressed.size());
  at_end_ = false;
  std::array<char, 4'096> piece;
  for (;;) {
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    const int result = inflate(&z, Z_SYNC_FLUSH);
    const std::size_t made = piece.size() - z.avail_out;
    const std::size_t room = bytes_max - out.size();
    out.append(piece.data(), std::min(made, room));
    if (made > room) return Verdict::too_large;
    if (result == Z_STREAM_END) {
      // RFC 7692 section 7.2.3.4: a block may say that it is the last, and more may follow it.
      inflateReset(&z);
      at_end_ = z.avail_in == 0;
      if (at_end_) return Verdict::ok;
      continue;
    }
    if (result == Z_BUF_ERROR) return Verdict::ok;  // nothing left to read, nothing to give
    if (result != Z_OK) return Verdict::broken;
    if (z.avail_in == 0 && z.avail_out != 0) return Verdict::ok;
  }
}

Inflater::Verdict Inflater::finish(std::string& out, std::size_t bytes_max) {
  const Verdict verdict = feed(kEnd, out, bytes_max);
  if (verdict != Verdict::ok || at_end_) return verdict;
  const int at = stream_->z.data_type;
  return (at & kBetweenBlocks) != 0 && (at & kBitsHeld) == 0 ? Verdict::ok : Verdict::broken;
}

struct Deflater::Stream {
  Stream() {
    const int made = deflateInit2(&z, kLevel, Z_DEFLATED, -static_cast<int>(kDeflateWindowBits),
                                  kMemoryLevel, Z_DEFAULT_STRATEGY);
    ensure(made == Z_OK, "deflateInit2 failed");
  }
  ~Stream() { deflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  z_stream z{};
};

Deflater::Deflater(std::size_t message_bytes_min) : message_bytes_min_(message_bytes_min) {}
Deflater::~Deflater() = default;

bool Deflater::append_frame(std::string& out, WebsocketOpcode opcode, std::string_view message) {
  if (message.size() >= message_bytes_min_) {
    const std::string_view compressed = deflate(message);
    if (compressed.size() < message.size()) {
      append_compressed_frame(out, opcode, compressed);
      return true;
    }
  }
  wire::append_frame(out, opcode, message);
  return false;
}

std::string_view Deflater::deflate(std::string_view message) {
  ensure(message.size() < std::numeric_limits<uInt>::max() / 2, "Deflater: too much at once");
  if (!stream_) stream_ = std::make_unique<Stream>();
  z_stream& z = stream_->z;
  deflateReset(&z);
  // deflateBound is about a last block; one that is flushed has a few octets more.
  const std::size_t bound = deflateBound(&z, static_cast<uLong>(message.size())) + 16;
  if (compressed_.size() < bound) compressed_.resize(bound);
  z.next_in = input_of(message);
  z.avail_in = static_cast<uInt>(message.size());
  z.next_out = reinterpret_cast<Bytef*>(compressed_.data());
  z.avail_out = static_cast<uInt>(compressed_.size());
  const int done = ::deflate(&z, Z_SYNC_FLUSH);
  ensure(done == Z_OK && z.avail_in == 0 && z.avail_out != 0, "deflate did not take the message");
  const std::string_view made(compressed_.data(), compressed_.size() - z.avail_out);
  ensure(made.ends_with(kEnd), "deflate did not flush");
  return made.substr(0, made.size() - kEnd.size());
}

}  // namespace ringcast::wire
