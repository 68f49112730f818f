#!/usr/bin/env bash
# measure speed: ingest, fanout, grants, subscribe, latency
#
# usage: ./dev bench NAME... [OPTION...]
#
#   ingest   the slot source against pg_recvlogical on the same WAL   -> build/bench/ingest.json
#   fanout   the relay's CPU time for each event that it delivers     -> build/bench/fanout.json
#   grants   the same for users who are no administrators  -> build/bench/grants.json
#   subscribe  clients that come without anything, and a crowd that resumes  -> build/bench/subscribe.json
#   latency  how much later than pg_recvlogical subscribers have changes  -> build/bench/latency.json
#   all      all of them
#
# OPTION... and more: tests/bench/run.sh --help; how to read the results: tests/bench/README.md. Each benchmark has a
# PostgreSQL and a relay of its own; let nothing else run meanwhile.
source "$(dirname -- "$0")/lib.sh"

names=()
while (($# > 0)) && [[ $1 != -* ]]; do
    case $1 in
        all) names+=(ingest fanout grants subscribe latency) ;;
        ingest | fanout | grants | subscribe | latency) names+=("$1") ;;
        *) bad_usage "there is no benchmark $1" ;;
    esac
    shift
done
((${#names[@]} > 0)) || bad_usage "name a benchmark: ingest, fanout, grants, subscribe, latency or all"
install_packages build
configure build
compile build
for name in "${names[@]}"; do
    tests/bench/run.sh "$name" "$@"
done
