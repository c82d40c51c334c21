# Sourced first by shell tests: strict mode, one temporary directory, and undoing in reverse order.
#
#   . "$(dirname "$0")/../lib/cleanup.sh"
#   at_end CMD ARG…   runs CMD at the end, whatever the end is: success, failure, interruption
#   $work             a directory of the test's own; removed at the end
#   fail TEXT…        ends the test as failed
#   skip TEXT…        ends the test as skipped, with the reason
#   need TOOL…        skips unless the tools are installed
#   need_root         skips unless root
#   try_for SECONDS CMD ARG…   repeats CMD until it succeeds
#
# What a test starts or mounts it registers with at_end in the line after, so that nothing is left
# behind by a signal in between two lines far apart.
# shellcheck shell=bash
if declare -F at_end >/dev/null; then return 0; fi
set -euo pipefail

at_end_commands=()
skip_reason=

at_end() {
    at_end_commands+=("$(printf '%q ' "$@")")
}

run_at_end() {
    local status=$? i
    trap - EXIT
    trap '' HUP INT TERM
    set +e
    for ((i = ${#at_end_commands[@]} - 1; i >= 0; i--)); do
        eval "${at_end_commands[i]}" || echo "at the end: ${at_end_commands[i]}failed" >&2
    done
    # the runner shows the last line as the reason of a skip
    [ -z "$skip_reason" ] || echo "$skip_reason"
    exit "$status"
}
trap run_at_end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    skip_reason=$*
    exit 77
}

need() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "$tool is not installed (tools/setup --tests)"
    done
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root"
}

try_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# Sockets lie below it and their paths hold 107 bytes at most: short, and not in the build folder.
work=$(mktemp -d "${TMPDIR:-/tmp}/varve.XXXXXX")
at_end rm -rf --one-file-system "$work"

# Read by the tests that source this file.
# shellcheck disable=SC2034
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
