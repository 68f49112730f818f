#include "server/ops/data_path.hpp"

#include <cstdlib>
#include <system_error>

namespace walcast {

namespace fs = std::filesystem;

fs::path data_path(const char *variable, const fs::path &name) {
    if (const char *set = std::getenv(variable); set != nullptr && *set != '\0')
        return set;
    std::error_code error;
    for (auto at = fs::read_symlink("/proc/self/exe", error).parent_path(); !error && at.has_relative_path();
         at = at.parent_path())
        if (fs::exists(at / "meson.build", error) && fs::exists(at / name, error) &&
            fs::exists(at / "server" / "main.cpp", error))
            return at / name;
    return fs::path(WALCAST_DATADIR) / name;
}

} // namespace walcast
