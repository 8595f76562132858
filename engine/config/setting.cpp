#include "config/setting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <type_traits>

namespace ringcast {

namespace {

constexpr std::size_t kQuotedBytesMax = 60;
constexpr std::string_view kHidden = "\"(hidden)\"";

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang 16 does not deduce aggregates

template <class Field, class Target>
constexpr bool kIsNumber = std::is_same_v<Field, Access<std::uint32_t, Target>> ||
                           std::is_same_v<Field, Access<std::uint64_t, Target>>;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out += '"';
}

// postgresql://user:password@host/...?password=... : what stands behind the user's colon and
// behind `password=` is left out.
std::string without_password(std::string url) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string::npos) {
    const std::size_t from = scheme + 3;
    const std::size_t end = std::min(url.find_first_of("/?#", from), url.size());
    // The last '@', because a password that was not escaped may hold one.
    const std::size_t at = url.rfind('@', end == 0 ? 0 : end - 1);
    const std::size_t colon = url.find(':', from);
    if (at != std::string::npos && at >= from && colon < at)
      url.replace(colon + 1, at - colon - 1, "***");
  }
  constexpr std::string_view kField = "password=";
  for (std::size_t from = url.find(kField); from != std::string::npos;
       from = url.find(kField, from + kField.size())) {
    const std::size_t value = from + kField.size();
    const std::size_t end = std::min(url.find_first_of("& ", value), url.size());
    url.replace(value, end - value, "***");
  }
  return url;
}

std::string found(const ConfigValue& value, Privacy privacy) {
  return std::visit(Overloaded{[](std::int64_t number) { return fmt::to_string(number); },
                               [](bool flag) { return std::string(flag ? "true" : "false"); },
                               [&](const std::string& text) {
                                 if (privacy != Privacy::open) return std::string("a string");
                                 if (text.size() <= kQuotedBytesMax) return quoted(text);
                                 return fmt::format("a string of {} octets", text.size());
                               },
                               [](const std::vector<std::string>& list) {
                                 return fmt::format("an array of {} strings", list.size());
                               }},
                    value);
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> entries;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    entries.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return entries;
}

bool within(std::uint64_t value, Bounds bounds) {
  return value >= bounds.min && value <= bounds.max;
}

}  // namespace

template <class Target>
std::string expectation(const Setting<Target>& setting) {
  const auto [min, max] = setting.bounds;
  return std::visit(
      [&, min = min, max = max](const auto& field) -> std::string {
        using F = std::decay_t<decltype(field)>;
        if constexpr (std::is_same_v<F, Access<std::string, Target>>)
          return min == 0 ? fmt::format("a string of at most {} octets", max)
                          : fmt::format("a string of {} to {} octets", min, max);
        else if constexpr (std::is_same_v<F, Access<std::vector<std::string>, Target>>)
          return fmt::format("an array of at most {} strings", max);
        else if constexpr (std::is_same_v<F, Access<bool, Target>>)
          return "true or false";
        else if constexpr (kIsNumber<F, Target>)
          return fmt::format("an integer from {} to {}", min, max);
        else
          return fmt::format("{}{}", field.names.size() == 1 ? "" : "one of ",
                             fmt::join(field.names, ", "));
      },
      setting.field);
}

template <class Target>
Result<void> assign(const Setting<Target>& setting, Target& target, ConfigValue value) {
  const bool taken = std::visit(
      [&](const auto& field) {
        using F = std::decay_t<decltype(field)>;
        if constexpr (std::is_same_v<F, Access<std::string, Target>>) {
          auto* text = std::get_if<std::string>(&value);
          if (text == nullptr || !within(text->size(), setting.bounds)) return false;
          field(target) = std::move(*text);
        } else if constexpr (std::is_same_v<F, Access<std::vector<std::string>, Target>>) {
          auto* list = std::get_if<std::vector<std::string>>(&value);
          if (list == nullptr || !within(list->size(), setting.bounds)) return false;
          field(target) = std::move(*list);
        } else if constexpr (std::is_same_v<F, Access<bool, Target>>) {
          const auto* flag = std::get_if<bool>(&value);
          if (flag == nullptr) return false;
          field(target) = *flag;
        } else if constexpr (kIsNumber<F, Target>) {
          using Number = std::remove_reference_t<decltype(field(target))>;
          const auto* number = std::get_if<std::int64_t>(&value);
          if (number == nullptr || *number < 0 ||
              !within(static_cast<std::uint64_t>(*number), setting.bounds))
            return false;
          ensure(setting.bounds.max <= std::numeric_limits<Number>::max(),
                 "a setting's bounds are wider than its field");
          field(target) = static_cast<Number>(*number);
        } else {
          const auto* name = std::get_if<std::string>(&value);
          if (name == nullptr) return false;
          for (std::size_t i = 0; i < field.names.size(); ++i) {
            if (field.names[i] != *name) continue;
            field.set(target, i);
            return true;
          }
          return false;
        }
        return true;
      },
      setting.field);
  if (taken) return {};
  return {Errc::validation, fmt::format("found {}, expected {}", found(value, setting.privacy),
                                        expectation(setting))};
}

template <class Target>
std::optional<ConfigValue> read_text(const Setting<Target>& setting, std::string_view text) {
  std::optional<ConfigValue> value;
  std::visit(
      [&](const auto& field) {
        using F = std::decay_t<decltype(field)>;
        if constexpr (std::is_same_v<F, Access<bool, Target>>) {
          if (text == "true" || text == "false") value.emplace(text == "true");
        } else if constexpr (kIsNumber<F, Target>) {
          std::int64_t number = 0;
          const char* end = text.data() + text.size();
          const auto read = std::from_chars(text.data(), end, number);
          if (read.ec == std::errc{} && read.ptr == end) value.emplace(number);
        } else if constexpr (std::is_same_v<F, Access<std::vector<std::string>, Target>>) {
          value.emplace(split_at_commas(text));
        } else {
          value.emplace(std::string(text));
        }
      },
      setting.field);
  return value;
}

template <class Target>
std::string shown(const Setting<Target>& setting, const Target& target) {
  Target copy = target;  // the fields' accessors give references that may be written
  return std::visit(
      [&](const auto& field) -> std::string {
        using F = std::decay_t<decltype(field)>;
        if constexpr (std::is_same_v<F, Access<std::string, Target>>) {
          const std::string& text = field(copy);
          if (text.empty() || setting.privacy == Privacy::open) return quoted(text);
          if (setting.privacy == Privacy::password) return quoted(without_password(text));
          return std::string(kHidden);
        } else if constexpr (std::is_same_v<F, Access<std::vector<std::string>, Target>>) {
          std::vector<std::string> entries;
          for (const std::string& entry : field(copy)) {
            // A key in place is long, and may be the private one by mistake.
            const bool hide =
                setting.privacy != Privacy::open || entry.find("-----BEGIN ") != std::string::npos;
            entries.push_back(hide ? std::string(kHidden) : quoted(entry));
          }
          return fmt::format("[{}]", fmt::join(entries, ", "));
        } else if constexpr (std::is_same_v<F, Access<bool, Target>>) {
          return field(copy) ? "true" : "false";
        } else if constexpr (kIsNumber<F, Target>) {
          return fmt::to_string(field(copy));
        } else {
          return quoted(field.names[field.get(copy)]);
        }
      },
      setting.field);
}

std::string environment_name(std::string_view section, std::string_view key) {
  std::string name = fmt::format("RINGCAST_{}_{}", section, key);
  for (char& c : name)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return name;
}

template std::string expectation(const Setting<Config>&);
template std::string expectation(const Setting<NamespaceConfig>&);
template Result<void> assign(const Setting<Config>&, Config&, ConfigValue);
template Result<void> assign(const Setting<NamespaceConfig>&, NamespaceConfig&, ConfigValue);
template std::optional<ConfigValue> read_text(const Setting<Config>&, std::string_view);
template std::optional<ConfigValue> read_text(const Setting<NamespaceConfig>&, std::string_view);
template std::string shown(const Setting<Config>&, const Config&);
template std::string shown(const Setting<NamespaceConfig>&, const NamespaceConfig&);

}  // namespace ringcast
