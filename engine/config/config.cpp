#include "config/config.hpp"

#include <algorithm>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

bool has(const Config& config, std::string_view name) {
  return std::any_of(config.namespaces.begin(), config.namespaces.end(),
                     [&](const NamespaceConfig& row) { return row.name == name; });
}

}  // namespace

void with_default_namespaces(Config& config) {
  if (!has(config, "tenant")) {
    NamespaceConfig tenant;
    tenant.name = "tenant";
    tenant.history = config.store.url.empty() ? HistoryKind::memory : HistoryKind::store;
    config.namespaces.insert(config.namespaces.begin(), tenant);
  }
  if (!has(config, "*")) {
    NamespaceConfig others;
    others.name = "*";
    config.namespaces.push_back(others);
  }
  std::stable_partition(config.namespaces.begin(), config.namespaces.end(),
                        [](const NamespaceConfig& row) { return row.name != "*"; });
}

const NamespaceConfig& namespace_for(const Config& config, std::string_view room) {
  const std::string_view name = room.substr(0, room.find(':'));
  for (const NamespaceConfig& row : config.namespaces)
    if (row.name == name || row.name == "*") return row;
  ensure(false, "a configuration without the namespace '*'");
  return config.namespaces.back();
}

}  // namespace ringcast
