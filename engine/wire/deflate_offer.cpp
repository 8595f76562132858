#include "wire/deflate_offer.hpp"

#include <algorithm>
#include <vector>

#include "wire/deflate.hpp"
#include "wire/http_request.hpp"

namespace ringcast::wire {

namespace {

constexpr std::string_view kName = "permessage-deflate";

struct Parameter {
  std::string name;
  std::optional<std::string> value;
};

struct Extension {
  std::string name;
  std::vector<Parameter> parameters;
};

// RFC 6455 section 9.1: a list of tokens, each with parameters whose values are tokens, also when
// they stand in quotes.
class ExtensionReader {
 public:
  explicit ExtensionReader(std::string_view text) : rest_(text) {}

  // Nothing if the text is not of this grammar.
  std::optional<std::vector<Extension>> read() {
    std::vector<Extension> list;
    for (;;) {
      while (take(',')) {
      }
      if (rest_.empty()) return list;
      Extension extension;
      if (!token(extension.name) || !parameters(extension.parameters)) return std::nullopt;
      list.push_back(std::move(extension));
      if (!rest_.empty() && !take(',')) return std::nullopt;
    }
  }

 private:
  bool parameters(std::vector<Parameter>& out) {
    while (take(';')) {
      Parameter parameter;
      if (!token(parameter.name)) return false;
      if (take('=') && !value(parameter.value.emplace())) return false;
      out.push_back(std::move(parameter));
    }
    return true;
  }

  bool value(std::string& out) { return take('"') ? quoted(out) : token(out); }

  bool quoted(std::string& out) {
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) return false;
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    return take('"') && is_http_token(out);
  }

  bool token(std::string& out) {
    const std::string_view found = rest_.substr(0, rest_.find_first_of(" \t,;=\""));
    rest_.remove_prefix(found.size());
    skip_space();
    out = found;
    return is_http_token(found);
  }

  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    if (c != '"') skip_space();
    return true;
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  std::string_view rest_;
};

// RFC 7692 section 7.1.2: 8 to 15, without leading zeros.
std::optional<std::uint8_t> window_bits(std::string_view text) {
  if (text == "8" || text == "9") return static_cast<std::uint8_t>(text[0] - '0');
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5')
    return static_cast<std::uint8_t>(10 + text[1] - '0');
  return std::nullopt;
}

std::optional<DeflateTerms> terms_of(const Extension& offer) {
  if (offer.name != kName) return std::nullopt;
  DeflateTerms terms;
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : offer.parameters) {
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) return std::nullopt;
    seen.emplace_back(name);
    const std::optional<std::uint8_t> bits = value ? window_bits(*value) : std::nullopt;
    if (value && !bits) return std::nullopt;
    if (name == "server_no_context_takeover" || name == "client_no_context_takeover") {
      if (value) return std::nullopt;
    } else if (name == "server_max_window_bits") {
      if (!bits) return std::nullopt;
      terms.server_window_bits = std::min(*bits, static_cast<std::uint8_t>(kDeflateWindowBits));
    } else if (name != "client_max_window_bits") {  // lets us limit the client: no need to
      return std::nullopt;
    }
  }
  return terms;
}

}  // namespace

bool DeflateTerms::reads_shared_frames() const {
  return server_window_bits.value_or(kDeflateWindowBitsMax) >= kDeflateWindowBits;
}

std::optional<DeflateTerms> choose_deflate(std::string_view offers) {
  const auto extensions = ExtensionReader(offers).read();
  if (!extensions) return std::nullopt;
  for (const Extension& extension : *extensions)
    if (const auto terms = terms_of(extension)) return terms;
  return std::nullopt;
}

std::string deflate_answer(const DeflateTerms& terms) {
  std::string answer(kName);
  answer += "; server_no_context_takeover; client_no_context_takeover";
  if (terms.server_window_bits)
    answer += "; server_max_window_bits=" + std::to_string(*terms.server_window_bits);
  return answer;
}

}  // namespace ringcast::wire
