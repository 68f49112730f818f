#!/usr/bin/env bash
# look whether every client gets everything that it may read and nothing else, while everything around the relay breaks
#
# usage: ./dev oracle events [OPTION...]
#        ./dev oracle grants [OPTION...]
#        ./dev oracle records [OPTION...]
#
# events: faults everywhere, and administrators that must lose nothing. grants: users of all kinds, and permissions that change
# all the time; seldom a fault. records: states of records and every change of them, over protocol v1; faults in most rounds.
#
#   --rounds N         so many rounds (50); a round takes a second or two, or as long as the clients need to be whole again
#   --seconds T        rounds for so long instead, or up to N of them
#   --seed S           what the rounds are drawn from (1): the same seed has the same faults and writers
#   --first R          begin with round R of the seed instead of the first
#   --same             repeat that round again and again
#   --source SOURCE    slot (as it is), or listener; not for records
#   --faults=LIST      what may be broken, separated by commas; `none` (all). events, records: -KIND leaves one out
#   --often SHARE      of the rounds that have a fault; grants (0.08), records (0.6)
#   --without LIST     grants: changes that are not made, of those in tests/oracle/grants/changes.py
#   --users N          grants: so many users (12)
#   --keep-going       do not end at the first violation
#   --stand-in         grants, records: not the relay, but one that knows the answers: what the oracle itself costs
#   --pg MAJOR         the programs of PostgreSQL 15 (as it is), 16, 17 or 18
#   --epoch N          records: transaction ids begin at N times 2^32 (0 or 1, by the seed, where PostgreSQL has pg_resetwal)
#
# Ends with a table of the faults, and with status 1 if a client lost an event or a change, got one twice or in a wrong order or
# one that it may not read, has a record that is not the database's, was disconnected, or did not come back; then the relay's log and a trace of the round are in build/oracle.
# WALCAST_PG_BIN names the programs of yet another PostgreSQL. The faults and the rules: tests/oracle/README.md.
source "$(dirname -- "$0")/lib.sh"

[[ ${1:-} =~ ^(events|grants|records)$ ]] || bad_usage "there are events, grants and records"
install_packages build test
configure build
compile build server/walcast tests/db/arvados_statements >build/oracle-build.log 2>&1 ||
    { tail -n 30 build/oracle-build.log >&2 && fail "the relay does not compile"; }
exec tests/oracle/run.sh "$@"
