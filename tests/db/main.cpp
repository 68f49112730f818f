#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/db/cluster.hpp"

#include <memory>
#include <sstream>
#include <string>

namespace walcast::testing {

namespace {
std::unique_ptr<private_postgres> shared_cluster;
}

private_postgres &cluster() {
    // A deadlock shall show at once: with the default of one second it might pass unseen between two runs. An
    // autovacuum shall start soon where a test asks for one, and nowhere else.
    if (!shared_cluster)
        shared_cluster = std::make_unique<private_postgres>(std::vector<std::string>{
            "deadlock_timeout = 50ms", "autovacuum_naptime = 1s", "autovacuum_vacuum_threshold = 1000000"});
    return *shared_cluster;
}

std::string new_database() {
    static int count = 0;
    auto name = "arvados_" + std::to_string(++count);
    cluster().create_database(name);
    return name;
}

std::string first_difference(const std::string &one, const std::string &other) {
    std::istringstream ones(one);
    std::istringstream others(other);
    for (std::string left, right;;) {
        const bool more_left = static_cast<bool>(std::getline(ones, left));
        const bool more_right = static_cast<bool>(std::getline(others, right));
        if (!more_left && !more_right)
            return one == other ? "" : "the last line feed";
        if (more_left != more_right || left != right)
            return "\"" + (more_left ? left : "") + "\" became \"" + (more_right ? right : "") + "\"";
    }
}

} // namespace walcast::testing

int main(int argc, char **argv) {
    doctest::Context context(argc, argv);
    const int result = context.run();
    walcast::testing::shared_cluster.reset();
    return result;
}
