# Sourced by shell tests that need a running server; brings lib/cleanup.sh along.
#
#   . "$(dirname "$0")/../lib/server.sh"
#   make_store [INIT ARG…]    makes $store, which is what $VARVE works on (VARVE_STORE)
#   start_server [ARG…]       `varve serve ARG…` in the background; returns when it
#                             answers on $socket. Sets $server_pid. Ends with the test.
#   stop_server               SIGTERM; fails when it takes above 10 seconds or does not end with 0
#   kill_server               SIGKILL
#   free_port                 prints a TCP port of 127.0.0.1 that nobody listens on
#   uri NAME                  prints the NBD URI of an export on $socket
#
# VARVE_BUILD names the build folder that is tested (default: build). $VARVE is the command.
# shellcheck shell=bash
# shellcheck source=cleanup.sh
. "$(dirname "${BASH_SOURCE[0]}")/cleanup.sh"

VARVE_BUILD=${VARVE_BUILD:-$top/build}
VARVE=$VARVE_BUILD/tools/varve
export VARVE_STORE=$work/store
store=$VARVE_STORE
socket=$store/nbd.sock
server_log=$work/server.log
server_pid=

[ -x "$VARVE" ] || fail "$VARVE is missing: run tools/setup, or name the build folder in VARVE_BUILD"

make_store() {
    "$VARVE" init "$store" "$@"
}

start_server() {
    rm -f "$socket"
    "$VARVE" serve "$@" >>"$server_log" 2>&1 </dev/null &
    server_pid=$!
    at_end end_server "$server_pid"
    try_for 20 server_answers || {
        cat "$server_log" >&2
        fail "varve serve did not answer on $socket"
    }
}

# Succeeds when the server answers; ends the test when it has died.
server_answers() {
    kill -0 "$server_pid" 2>/dev/null || {
        cat "$server_log" >&2
        fail "varve serve ended before it was ready"
    }
    [ -S "$socket" ] && /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect(sys.argv[1])
sys.exit(s.recv(8) != b"NBDMAGIC")' "$socket" 2>/dev/null
}

stop_server() {
    local started=$SECONDS status=0
    kill -TERM "$server_pid"
    wait "$server_pid" || status=$?
    [ "$status" = 0 ] || fail "the server ended with $status after SIGTERM: $(tail -n 3 "$server_log")"
    [ $((SECONDS - started)) -le 10 ] || fail "the server took $((SECONDS - started)) s to stop"
    server_pid=
}

kill_server() {
    kill -KILL "$server_pid"
    wait "$server_pid" 2>/dev/null || true
    server_pid=
}

# At the end of a test: for one that has ended already there is nothing to do.
end_server() {
    [ "$server_pid" = "$1" ] || return 0
    kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    return 0
}

free_port() {
    /usr/bin/python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

uri() {
    echo "nbd+unix:///$1?socket=$socket"
}
