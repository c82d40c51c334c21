#!/usr/bin/env bash
# Completion in bash: commands, options, volumes, and files where a path is wanted.
. "$(dirname "$0")/../lib/server.sh"

[ -r /usr/share/bash-completion/bash_completion ] || skip "bash-completion is not installed"
make_store --limit 64M --journal 1M
"$VARVE" volumes create alpha --size 1M >"$work/made"
"$VARVE" volumes create beta --size 1M >>"$work/made"
"$VARVE" datasets create --name images --size 1M >>"$work/made"
version=$("$VARVE" datasets versions create images | sed 's/.*: //')
mkdir "$work/bin" && ln -s "$VARVE" "$work/bin/varve"

# complete_line LINE: prints the candidates for the cursor at its end, one a line, sorted
complete_line() {
    PATH=$work/bin:$PATH bash --norc -c '
        . /usr/share/bash-completion/bash_completion
        . "$1"
        COMP_LINE=$2 COMP_POINT=${#2}
        read -ra COMP_WORDS <<<"$2"
        [ "${2: -1}" != " " ] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        compopt() { echo "files"; }
        _varve
        printf "%s\n" "${COMPREPLY[@]}"' _ "$top/tools/completion/varve" "$1" | sort | xargs
}

# expect LINE WORD…
expect() {
    local line=$1 found
    shift
    found=$(complete_line "$line")
    [ "$found" = "$*" ] || fail "'$line' completes to '$found', not '$*'"
}

expect "varve vol" volumes
expect "varve volumes re" release rename resize
expect "varve volume sh" show
expect "varve volumes show " alpha beta
expect "varve volumes show a" alpha
expect "varve volumes create x --si" --size
expect "varve volumes delete --y" --yes
expect "varve volumes rename alpha " files
expect "varve --store " files
expect "varve inspect b" beta
expect "varve dat" datasets
expect "varve datasets versions li" list
expect "varve datasets details im" images
expect "varve datasets versions details im" images
expect "varve datasets versions details images:" "${version#images:}"
expect "varve check --d" --data
expect "varve init --jo" --journal
expect "varve init " files
expect "varve nonsense" files
found=$(VARVE_STORE=$work/absent complete_line "varve volumes show ")
[ "$found" = files ] || fail "without a store volumes complete to '$found'"
echo "completion works"
