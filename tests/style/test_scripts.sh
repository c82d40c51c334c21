#!/usr/bin/env bash
# Shell scripts pass shellcheck, Python scripts pyflakes.
. "$(dirname "$0")/../lib/cleanup.sh"
need shellcheck pyflakes3 git
cd "$top"

# both are silent on what they like; a check that likes everything proves nothing
# shellcheck disable=SC2016
printf '#!/bin/bash\nrm -rf $1/*\n' >"$work/bad.sh"
printf 'import os\nprint(undefined)\n' >"$work/bad.py"
if shellcheck "$work/bad.sh" >/dev/null; then fail "shellcheck accepts a bad script"; fi
if pyflakes3 "$work/bad.py" >/dev/null; then fail "pyflakes accepts a bad script"; fi

shell=() python=()
while read -r file; do
    [ -f "$file" ] || continue
    case $file:$(head -n 1 "$file" | tr -d '\0') in
    *.py:* | *'#!'*python*) python+=("$file") ;;
    *.sh:* | *'#!'*bash* | *'#!/bin/sh'*) shell+=("$file") ;;
    esac
done < <(git ls-files --cached --others --exclude-standard | sort -u)
[ ${#shell[@]} -gt 0 ] && [ ${#python[@]} -gt 0 ] || fail "there is nothing to check"

status=0
shellcheck "${shell[@]}" || status=1
pyflakes3 "${python[@]}" || status=1
[ "$status" = 0 ] || fail "see above"
echo "${#shell[@]} shell scripts, ${#python[@]} Python scripts"
