#pragma once

#include "server/access/uuid_text.hpp"
#include "server/feed/record_class.hpp"
#include "server/feed/transaction.hpp"
#include "server/feed/visibility.hpp"

#include <mutex>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <unordered_map>
#include <vector>

namespace walcast {

/// Rows of objects as one snapshot shows them.
struct record_page {
    bool primary = false; ///< otherwise there is nothing else: a standby's snapshots do not fit the stream
    std::optional<visibility> seen;    ///< whose changes the rows have
    lsn insert_lsn;                    ///< where the log ended after the snapshot: all that it sees is before
    std::vector<transaction_ptr> rows; ///< of those objects that exist, each as an insert; in any order
};

/// Reads the newest rows of objects, all in one snapshot. From any thread, on any connection.
///
/// Rows have the columns that their class publishes and the table has: Arvados grows columns from release to
/// release, and may do so while the relay runs. So the same statement that says what the snapshot is asks
/// what the tables look like in it; a shape that has been seen before has the same `relation` again. That
/// makes four statements for objects of one class: BEGIN, this one, the rows, COMMIT; for each class more,
/// one more; and one more when an object is not there, see read().
class snapshot_reader {
  public:
    /// The classes must outlive it.
    explicit snapshot_reader(const record_classes &classes)
        : classes_(classes) {}

    /// With no objects only the snapshot is read, by a single statement. Uuids of no class have no row.
    ///
    /// A snapshot does not protect from a table that is rewritten (ALTER TABLE, TRUNCATE) between the
    /// snapshot's making and the table's first reading: then the table seems empty. So if a row is missing,
    /// the table must still lie where it lay in the snapshot; otherwise this throws, and may be asked again.
    [[nodiscard]] record_page read(pqxx::connection_base &on, const std::vector<uuid_text> &objects);

  private:
    struct shape {
        std::string described; ///< oid and columns, as the catalogs say them
        relation_ptr table;    ///< null: there is no such table, or nothing of it may be read
    };
    [[nodiscard]] relation_ptr shape_of(const record_class &of, std::string oid, const std::string &columns);

    const record_classes &classes_;
    std::mutex mutex_; ///< guards what follows
    std::unordered_map<const record_class *, shape> shapes_;
};

/// The query for the rows with these uuids, which must be of characters that no literal needs to have quoted.
[[nodiscard]] std::string select_records(const relation &table, const std::vector<uuid_text> &objects);

} // namespace walcast
