#!/usr/bin/env bash
# Gathers the licences of the libraries that a binary holds, and of Go: whoever passes the binary on owes them.
# Usage: tools/licences.sh BINARY FOLDER
set -euo pipefail
binary=$(realpath "$1")
folder=$(realpath --canonicalize-missing "$2")
cd "$(dirname "$0")/.."
go=${GO:-go}

shopt -s nullglob
gather() {
	local files=("$2"/LICEN[CS]E* "$2"/COPYING* "$2"/NOTICE* "$2"/PATENTS*)
	if [ ${#files[@]} -eq 0 ]; then
		echo "$1 has no licence in $2" >&2
		return 1
	fi
	install -D -m 0644 -t "$folder/$1" "${files[@]}"
}

gather go "$("$go" env GOROOT)"
mapfile -t modules < <("$go" version -m "$binary" | awk '$1 == "dep" { print $2 }')
[ ${#modules[@]} -gt 0 ] || exit 0
"$go" list -m -f '{{.Path}} {{.Dir}}' "${modules[@]}" | while read -r module source; do
	gather "$module" "$source"
done
