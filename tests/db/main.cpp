#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/db/cluster.hpp"

#include <memory>

namespace walcast::testing {

namespace {
std::unique_ptr<private_postgres> shared_cluster;
}

private_postgres &cluster() {
    // A deadlock shall show at once: with the default of one second it might pass unseen between two runs.
    if (!shared_cluster)
        shared_cluster =
            std::make_unique<private_postgres>(std::vector<std::string>{"deadlock_timeout = 50ms"});
    return *shared_cluster;
}

std::string new_database() {
    static int count = 0;
    auto name = "arvados_" + std::to_string(++count);
    cluster().create_database(name);
    return name;
}

} // namespace walcast::testing

int main(int argc, char **argv) {
    doctest::Context context(argc, argv);
    const int result = context.run();
    walcast::testing::shared_cluster.reset();
    return result;
}
