#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace walcast {

/// A file that remembers the order in which ids were handed over, for a listener that is started again.
///
/// PostgreSQL does not tell in which order past transactions committed, so a relay without a slot that is
/// killed would know neither what its clients have had nor in which order to send the rest. Eight bytes an
/// id, appended before the row is handed over; the file belongs to one database (its identity is the first
/// line) and is begun anew for another. Survives SIGKILL; after a crash of the machine its end may be
/// missing, and those rows are sent in the order of ids. One thread.
class id_log {
  public:
    /// With an empty path nothing is remembered.
    explicit id_log(std::string path);
    ~id_log();
    id_log(const id_log &) = delete;
    id_log &operator=(const id_log &) = delete;

    /// Reads the newest `most` ids of this database, oldest first, and opens the file for append; nothing if
    /// there is no file of this database yet. Throws std::system_error, after which nothing is remembered.
    /// The file is begun anew now and then, so that it never holds more than a few times `most`.
    [[nodiscard]] std::optional<std::vector<std::int64_t>> open(const std::string &identity,
                                                                std::size_t most);
    void append(std::span<const std::int64_t> ids);

  private:
    void rewrite(const std::string &identity, const std::vector<std::int64_t> &ids);
    void fail(const char *doing);

    std::string path_;
    std::string identity_;
    std::size_t most_ = 0;
    std::size_t count_ = 0; ///< ids in the file
    int file_ = -1;
};

} // namespace walcast
