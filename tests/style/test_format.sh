#!/usr/bin/env bash
# The layout of C code is what clang-format makes of it.
# timeout: 120
. "$(dirname "$0")/../lib/cleanup.sh"
need clang-format git
cd "$top"

printf 'int  main( void ){return 0;}\n' >"$work/bad.c"
if clang-format --style=file:.clang-format --dry-run -Werror "$work/bad.c" 2>/dev/null; then
    fail "the check is blind: it accepts a file of bad layout"
fi

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.[ch]' | sort -u)
[ ${#files[@]} -gt 0 ] || fail "there is nothing to check"
existing=()
for file in "${files[@]}"; do
    [ ! -f "$file" ] || existing+=("$file")
done
clang-format --dry-run -Werror "${existing[@]}" 2>"$work/found" || {
    sed -n 's/:[0-9]*:[0-9]*: error:.*//p' "$work/found" | sort | uniq -c
    fail "run clang-format -i on these files"
}
echo "${#existing[@]} files"
