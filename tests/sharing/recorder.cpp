// The functions that instrumented code calls at each load and store, and the table they fill. Not
// instrumented itself, and without library code that could be.
#include "sharing/recorder.hpp"

#include <link.h>
#include <pthread.h>

#include <cstdio>
#include <cstring>

namespace ringcast::sharing {
namespace {

constexpr std::size_t kPlaces = std::size_t{1} << 20;  // a tenth of it is used
constexpr unsigned kProbes = 64;
constexpr int kUnknown = -2;
constexpr int kOther = -1;

// One place of an open hash table. Claimed once by its address, then only counted.
struct Place {
  std::uintptr_t line;
  std::uint64_t writes[2];
  std::uint64_t reads[2];
  std::uintptr_t written_by[2];
};

Place places[kPlaces];
bool recording = false;
std::uint64_t counted[2];
thread_local int shard_of_thread = kUnknown;

int this_shard() {
  if (shard_of_thread != kUnknown) return shard_of_thread;
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  shard_of_thread = kOther;
  if (__builtin_strcmp(name, "shard 0") == 0) shard_of_thread = 0;
  if (__builtin_strcmp(name, "shard 1") == 0) shard_of_thread = 1;
  return shard_of_thread;
}

Place& place_of(std::uintptr_t line) {
  std::size_t at = (line * 0x9E3779B97F4A7C15ULL) >> 44;
  for (unsigned i = 0; i < kProbes; ++i, at = (at + 1) % kPlaces) {
    std::uintptr_t there = __atomic_load_n(&places[at].line, __ATOMIC_RELAXED);
    if (there == line) return places[at];
    if (there == 0 && (__atomic_compare_exchange_n(&places[at].line, &there, line, false,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
                       there == line))
      return places[at];
  }
  std::fputs("tests/sharing: more cache lines than the table holds\n", stderr);
  __builtin_abort();
}

void record(const void* address, std::size_t size, bool write, const void* code) {
  if (!__atomic_load_n(&recording, __ATOMIC_RELAXED)) return;
  const int shard = this_shard();
  if (shard < 0 || size == 0) return;
  __atomic_fetch_add(&counted[shard], 1, __ATOMIC_RELAXED);
  const auto first = reinterpret_cast<std::uintptr_t>(address) / 64;
  const auto last = (reinterpret_cast<std::uintptr_t>(address) + size - 1) / 64;
  for (std::uintptr_t line = first; line <= last; ++line) {
    Place& place = place_of(line);
    __atomic_fetch_add(write ? &place.writes[shard] : &place.reads[shard], 1, __ATOMIC_RELAXED);
    if (write) place.written_by[shard] = reinterpret_cast<std::uintptr_t>(code);
  }
}

// Where the program was loaded: addr2line wants offsets.
std::uintptr_t load_address() {
  std::uintptr_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the program is the first
      },
      &base);
  return base;
}

}  // namespace

void start() {
  stop();
  std::memset(places, 0, sizeof places);
  counted[0] = counted[1] = 0;
  __atomic_store_n(&recording, true, __ATOMIC_SEQ_CST);
}

void stop() { __atomic_store_n(&recording, false, __ATOMIC_SEQ_CST); }

std::uint64_t accesses(unsigned shard) {
  return __atomic_load_n(&counted[shard], __ATOMIC_RELAXED);
}

std::vector<Line> shared_lines() {
  std::vector<Line> out;
  for (const Place& place : places) {
    if (place.line == 0) continue;
    Line line{place.line * 64,
              {place.writes[0], place.writes[1]},
              {place.reads[0], place.reads[1]},
              {place.written_by[0], place.written_by[1]}};
    if (line.shared()) out.push_back(line);
  }
  return out;
}

std::string describe(const std::vector<Line>& lines) {
  const std::uintptr_t base = load_address();
  std::string out;
  for (const Line& line : lines) {
    char text[256];
    std::snprintf(
        text, sizeof text,
        "line %#lx: shard 0 wrote %lu (last at %#lx) read %lu, shard 1 wrote %lu (last at "
        "%#lx) read %lu\n",
        line.address, line.writes[0], line.written_by[0] ? line.written_by[0] - base : 0,
        line.reads[0], line.writes[1], line.written_by[1] ? line.written_by[1] - base : 0,
        line.reads[1]);
    out += text;
  }
  return out;
}

}  // namespace ringcast::sharing

namespace {
void load(const void* address, std::size_t size, const void* code) {
  ringcast::sharing::record(address, size, false, code);
}
void store(const void* address, std::size_t size, const void* code) {
  ringcast::sharing::record(address, size, true, code);
}
}  // namespace

// The names are the compiler's.
extern "C" {
void __asan_load1_noabort(void* at) { load(at, 1, __builtin_return_address(0)); }
void __asan_load2_noabort(void* at) { load(at, 2, __builtin_return_address(0)); }
void __asan_load4_noabort(void* at) { load(at, 4, __builtin_return_address(0)); }
void __asan_load8_noabort(void* at) { load(at, 8, __builtin_return_address(0)); }
void __asan_load16_noabort(void* at) { load(at, 16, __builtin_return_address(0)); }
void __asan_loadN_noabort(void* at, std::size_t size) {
  load(at, size, __builtin_return_address(0));
}
void __asan_store1_noabort(void* at) { store(at, 1, __builtin_return_address(0)); }
void __asan_store2_noabort(void* at) { store(at, 2, __builtin_return_address(0)); }
void __asan_store4_noabort(void* at) { store(at, 4, __builtin_return_address(0)); }
void __asan_store8_noabort(void* at) { store(at, 8, __builtin_return_address(0)); }
void __asan_store16_noabort(void* at) { store(at, 16, __builtin_return_address(0)); }
void __asan_storeN_noabort(void* at, std::size_t size) {
  store(at, size, __builtin_return_address(0));
}
void __asan_handle_no_return() {}
void __asan_before_dynamic_init(const char*) {}
void __asan_after_dynamic_init() {}

void* __real_memcpy(void* to, const void* from, std::size_t size);
void* __real_memmove(void* to, const void* from, std::size_t size);
void* __wrap_memcpy(void* to, const void* from, std::size_t size) {
  load(from, size, __builtin_return_address(0));
  store(to, size, __builtin_return_address(0));
  return __real_memcpy(to, from, size);
}
void* __wrap_memmove(void* to, const void* from, std::size_t size) {
  load(from, size, __builtin_return_address(0));
  store(to, size, __builtin_return_address(0));
  return __real_memmove(to, from, size);
}
}
