#!/usr/bin/env bash
# Generates code from the contract into a temporary folder and compares it with what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
PATH="$PWD/tools/node_modules/.bin:$PATH" buf generate --output "$fresh"

stale=0
while IFS= read -r file; do
	if ! cmp -s "$fresh/$file" "$file"; then
		echo "$file is not what the contract generates; run: make proto" >&2
		stale=1
	fi
done < <(cd "$fresh" && find . -type f)
while IFS= read -r file; do
	if [ ! -e "$fresh/$file" ]; then
		echo "$file is not generated any more; remove it" >&2
		stale=1
	fi
done < <(find proto -name '*.pb.go' -o -name '*.pb.gw.go')
exit $stale
