// The one table of everything that can be configured: files, environment, flags, checks and the
// reference are driven by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace ringcast {

// How a value may be shown in logs and messages.
enum class Privacy : std::uint8_t {
  open,
  secret,    // never, nor how long it is
  password,  // a URL, with the password that it may hold left out
};

// Of a number its values, of a text its octets, of a list its entries; both ends are legal.
struct Bounds {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

// A choice among names; the position of a name is the value of its enumerator.
template <class Target>
struct Choice {
  std::span<const std::string_view> names;
  std::size_t (*get)(Target&);
  void (*set)(Target&, std::size_t);
};

template <class T, class Target>
using Access = T& (*)(Target&);

template <class Target>
using Field = std::variant<Access<std::string, Target>, Access<std::vector<std::string>, Target>,
                           Access<bool, Target>, Access<std::uint32_t, Target>,
                           Access<std::uint64_t, Target>, Choice<Target>>;

// One row: a key, the field that it fills, and what it may hold. Target is Config, or
// NamespaceConfig for the keys of a [[namespace]] table.
//
// Thread: any (constant).
template <class Target>
struct Setting {
  std::string_view section;
  std::string_view key;
  Field<Target> field;
  Bounds bounds;
  std::string_view doc;
  Privacy privacy = Privacy::open;
};

[[nodiscard]] std::span<const Setting<Config>> settings();
[[nodiscard]] std::span<const Setting<NamespaceConfig>> namespace_settings();

// What a source holds before it is known whether it fits.
using ConfigValue = std::variant<std::int64_t, bool, std::string, std::vector<std::string>>;

// Puts `value` into the field, or says what was found and what is expected (without the key, and
// without the value where it is private). Nothing changes on an error.
template <class Target>
[[nodiscard]] Result<void> assign(const Setting<Target>& setting, Target& target,
                                  ConfigValue value);

// A text of the environment or a flag, read as the type of the setting asks: `true`/`false`,
// decimal digits, entries separated by commas. Nothing: it can not be read so.
template <class Target>
[[nodiscard]] std::optional<ConfigValue> read_text(const Setting<Target>& setting,
                                                   std::string_view text);

// "an integer from 1 to 8191", "one of none, memory, store", ...
template <class Target>
[[nodiscard]] std::string expectation(const Setting<Target>& setting);

// The value as TOML has it, with what is private left out.
template <class Target>
[[nodiscard]] std::string shown(const Setting<Target>& setting, const Target& target);

// RINGCAST_SECTION_KEY.
[[nodiscard]] std::string environment_name(std::string_view section, std::string_view key);

}  // namespace ringcast
