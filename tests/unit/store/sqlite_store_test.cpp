#include "store/sqlite_store.hpp"

#include "unit/store/outbox_store_suite.hpp"
#include "unit/store/sqlite_backend.hpp"

namespace ringcast {

INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxStoreSuite,
                         testing::Values(BackendFactory([]() -> std::unique_ptr<StoreBackend> {
                           return std::make_unique<SqliteBackend>();
                         })));

}  // namespace ringcast
