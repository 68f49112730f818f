#!/usr/bin/env bash
# run the db and e2e tests and the oracle on other versions of PostgreSQL: 15, 16, 17, 18
#
# usage: ./dev pgmatrix [VERSION]... [-- PYTEST ARG...]
#        ./dev pgmatrix slice        what ./dev test pgmatrix runs: some e2e tests and the db tests on the newest
#
# All of 16, 17 and 18 without VERSION; 15 is the one of ./dev test. The oracle runs half a minute with each source.
# Arguments for pytest choose among the e2e tests, as in `./dev pgmatrix 18 -- test_restart.py -k slot`, and leave the rest
# out. The programs come from npm, once, and stay in
# build/postgres (tests/support/postgres_versions.sh); a version that cannot be had counts as skipped.
source "$(dirname -- "$0")/lib.sh"

# What PostgreSQL's versions might do differently: the publication, the slot, the messages of a stream, a restart.
slice=(test_migrate_while_running.py test_large_transactions.py
    test_restart.py test_unsuitable_database.py test_idle.py -k 'not listener')
newest=18
# On the newest alone: what tells when the catalogs or the messages of the stream have changed, and a failover.
newest_slice=(test_schema_changes.py test_slots.py
    -k 'slot and (jsonb or enum or (harmful and publi) or anew or secret) or test_failover and lost or test_publication')

versions=()
pytest=()
only_slice=no
while (($# > 0)); do
    case $1 in
        15 | 16 | 17 | 18) versions+=("$1") ;;
        slice) only_slice=yes ;;
        --) shift && pytest=("$@") && break ;;
        *) bad_usage "there is no version $1 here" ;;
    esac
    shift
done
((${#versions[@]} > 0)) || versions=(16 17 18)
[[ $only_slice == no ]] || versions=("$newest")
install_packages build test
configure build
compile build server/walcast tests/db/db_tests tests/db/arvados_statements

status=0
skipped=0
for version in "${versions[@]}"; do
    echo "pgmatrix: PostgreSQL $version"
    got=0
    bin=$(tests/support/postgres_versions.sh "$version") || got=$?
    if ((got == 3)); then
        skipped=$((skipped + 1))
        continue
    fi
    ((got == 0)) || exit "$got"
    export WALCAST_PG_BIN=$bin
    if [[ $only_slice == yes ]]; then
        build/tests/db/db_tests --no-colors || status=1
        tests/e2e/run.sh --color=no "${slice[@]}" || status=1
        tests/e2e/run.sh --color=no "${newest_slice[@]}" || status=1
    elif ((${#pytest[@]} > 0)); then
        tests/e2e/run.sh --color=no "${pytest[@]}" || status=1
    else
        build/tests/db/db_tests --no-colors || status=1
        tests/e2e/run.sh --color=no || status=1
        for kind in slot listener; do
            tests/oracle/run.sh events --seconds 30 --seed "$version" --source "$kind" || status=1
        done
    fi
done
((skipped == 0)) || echo "0 passed, 0 failed, $skipped skipped"
exit "$status"
