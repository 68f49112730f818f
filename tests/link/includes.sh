#!/usr/bin/env bash
# What each stage may include. The linker does not see what is only in headers; this does. One line for each stage and
# library, then `N passed, N failed`.
set -euo pipefail
cd -- "$(dirname -- "$0")/../.."

passed=0
failed=0

# verdict NAME OFFENDING_LINES
verdict() {
    if [[ -z $2 ]]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        echo "FAIL  $1:"
        echo "$2"
    fi
}

includes_in() {
    grep -rnE --include='*.cpp' --include='*.hpp' '^#include' "$@"
}

# stage FOLDER UPSTREAM_FOLDER...: includes itself and these folders of the project, no other.
stage() {
    local folder=$1 allowed
    allowed=$(printf '|%s' "$@")
    shift
    verdict "$folder includes ${*:-no other stage}" \
        "$(includes_in "$folder" | grep '#include "' | grep -vE "#include \"(${allowed:1})/[^/]*\"" || true)"
}

# only_in LIBRARY HEADERS FOLDER...: no other folder includes these headers.
only_in() {
    local library=$1 headers=$2 allowed
    shift 2
    allowed=$(printf '|%s' "$@")
    verdict "only $* includes $library" "$(includes_in db server | grep -E "<($headers)" | grep -vE "^(${allowed:1})/" || true)"
}

# free_of LIBRARY HEADERS FOLDER...: none of these folders includes these headers.
free_of() {
    local library=$1 headers=$2
    shift 2
    verdict "$* know nothing of $library" "$(includes_in "$@" | grep -E "<($headers)" || true)"
}

stage server/ops
stage server/feed
stage server/access server/feed
stage db server/feed server/ops server/access
stage server/remote server/ops server/feed server/access
stage server/protocol server/feed
stage server/judge server/feed server/access server/protocol
stage server/session server/ops server/feed server/access server/protocol
stage server/net server/ops server/access server/session server/protocol
stage server/watch server/ops server/feed server/protocol
only_in libpq 'libpq-fe|pqxx/|postgres_ext' db
only_in Beast 'boost/beast' server/net server/remote server/watch
free_of Asio 'boost/asio' server/ops server/feed server/access server/protocol server/judge server/session
free_of sockets 'sys/socket|netinet/|arpa/inet' server/feed server/access server/protocol server/judge server/session

echo "$passed passed, $failed failed"
((failed == 0))
