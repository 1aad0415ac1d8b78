#!/usr/bin/env bash
# Measures what docs/benchmarks.md quotes: how long until a fresh server is ready, its memory after a
# day's work, how long the demo takes, and what the cryptography costs.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$PWD/bin/aankomst
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

milliseconds() { echo $((($(date +%s%N) - $1) / 1000000)); }

echo "machine: $(nproc) cores, $(uname -sm), $(go version | cut -d' ' -f3)"

for run in 1 2 3 4 5; do
	rm -rf "$folder/data"
	begun=$(date +%s%N)
	"$binary" serve --data "$folder/data" --grpc 127.0.0.1:0 --http 127.0.0.1:0 --json >"$folder/addresses" 2>/dev/null &
	server=$!
	until grep -q '"http"' "$folder/addresses" 2>/dev/null; do sleep 0.002; done
	url=$(sed -n 's/.*"http": "\(.*\)".*/\1/p' "$folder/addresses")
	until curl -fsS "$url/readyz" >/dev/null 2>&1; do sleep 0.002; done
	echo "ready, run $run: $(milliseconds "$begun") ms, resident $(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$server/status") MB"
	kill "$server"
	wait "$server" || true
	server=
done

for run in 1 2 3; do
	begun=$(date +%s%N)
	"$binary" demo --exit --json >/dev/null 2>&1
	echo "demo --exit, run $run: $(milliseconds "$begun") ms"
done

"$binary" demo --json --grpc 127.0.0.1:0 --http 127.0.0.1:0 >"$folder/demo" 2>/dev/null &
server=$!
until grep -q '"tokens"' "$folder/demo"; do sleep 0.1; done
echo "server and clients together, after the demo's calls: resident $(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$server/status") MB"
kill "$server"
wait "$server" || true
server=

go test -run '^$' -bench . -benchtime 2s ./refcode ./server/cohort
