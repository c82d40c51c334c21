#!/usr/bin/env bash
# The manual pages are sound, and the files that a project must have are there.
. "$(dirname "$0")/../lib/cleanup.sh"
need mandoc git
cd "$top"

printf '.TH BAD 1\n.SH NAME\n.NOSUCHMACRO\n' >"$work/bad.1"
if mandoc -T lint -W warning "$work/bad.1" >/dev/null; then
    fail "the check is blind: it accepts an unknown macro"
fi

for file in README.md LICENSE; do
    [ -s "$file" ] || fail "$file is missing"
done

mapfile -t pages < <(git ls-files --cached --others --exclude-standard '*.[1-8]' | sort -u)
[ ${#pages[@]} -gt 0 ] || fail "there are no manual pages"
mandoc -T lint -W warning "${pages[@]}" || fail "see above"
echo "${pages[*]}"
