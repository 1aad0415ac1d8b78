#!/usr/bin/env bash
# Builds the container image around a built binary, with podman, docker or buildah, whichever works here.
# Usage: tools/image.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/.."

for engine in podman docker buildah none; do
	if "$engine" info >/dev/null 2>&1; then
		break
	fi
done
if [ "$engine" = none ]; then
	echo "Please install and start one of: podman, docker, buildah" >&2
	exit 1
fi

stamps=$("${GO:-go}" version -m "$binary")
architecture=$(sed -n 's/^\tbuild\tGOARCH=//p' <<<"$stamps")
version=${VERSION:-$(sed -n 's/^\tmod\taankomst\tv\([^\t]*\).*/\1/p' <<<"$stamps")}
tag=aankomst:$(tr + - <<<"${version:-latest}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install -D -m 0755 "$binary" "$work/image/usr/bin/aankomst"
install -d -m 0700 "$work/image/var/lib/aankomst"
tools/licences.sh "$binary" "$work/image/usr/share/doc/aankomst/licences"

# The folder stands in for the stage called build, which is then not built.
"$engine" build --build-context "build=$work" --platform "linux/$architecture" \
	--file packaging/Containerfile --tag "$tag" "$work"
echo "built $tag"
