#!/usr/bin/env bash
# Puts a built binary into a Debian package. Usage: tools/deb.sh BINARY FOLDER
# Architecture, version and date are those of the binary: the same commit gives the same bytes. A binary that
# was built outside version control knows no version: then VERSION and SOURCE_DATE_EPOCH must be set.
set -euo pipefail
binary=$(realpath "$1")
folder=$(realpath --canonicalize-missing "$2")
cd "$(dirname "$0")/.."

if ! command -v dpkg-deb >/dev/null; then
	echo "Please install: dpkg" >&2
	exit 1
fi

stamps=$("${GO:-go}" version -m "$binary")
stamp() { sed -n "s/^\tbuild\t$1=//p" <<<"$stamps"; }
# Go's versions sort as Debian's do once - is ~: 1.2.0-rc.1 comes before 1.2.0.
version=${VERSION:-$(sed -n 's/^\tmod\taankomst\tv\([^\t]*\).*/\1/p' <<<"$stamps" | tr - '~')}
committed=$(stamp vcs.time)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-${committed:+$(date -d "$committed" +%s)}}
if [ -z "$version" ] || [ -z "$SOURCE_DATE_EPOCH" ]; then
	echo "$1 knows no version: build it where git can be asked, or set VERSION and SOURCE_DATE_EPOCH" >&2
	exit 1
fi
architecture=$(stamp GOARCH)
case $architecture in
amd64 | arm64) ;;
*)
	echo "Debian has another name for $architecture, which is not written down here" >&2
	exit 1
	;;
esac

umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
docs=$root/usr/share/doc/aankomst

install -D -m 0755 "$binary" "$root/usr/bin/aankomst"
install -D -m 0755 packaging/aankomst-admin "$root/usr/sbin/aankomst-admin"
install -D -m 0644 packaging/aankomst.service "$root/usr/lib/systemd/system/aankomst.service"
install -D -m 0640 packaging/aankomst.env "$root/etc/aankomst/aankomst.env"
install -d "$root/usr/share/man/man1" "$root/usr/share/man/man8"
gzip -9n <packaging/aankomst.1 >"$root/usr/share/man/man1/aankomst.1.gz"
ln -s ../man1/aankomst.1.gz "$root/usr/share/man/man8/aankomst-admin.8.gz"
install -D -m 0644 -t "$docs" README.md packaging/debian/copyright
cp -r --no-preserve=mode docs "$docs/docs"
tools/licences.sh "$binary" "$docs/licences"
size=$(find "$root" -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
filled() {
	sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/" \
		-e "s/@DATE@/$(date -u -R -d "@$SOURCE_DATE_EPOCH")/" "$1"
}
filled packaging/debian/changelog | gzip -9n >"$docs/changelog.gz"
install -d "$root/DEBIAN"
filled packaging/debian/control >"$root/DEBIAN/control"
echo /etc/aankomst/aankomst.env >"$root/DEBIAN/conffiles"
install -m 0755 -t "$root/DEBIAN" packaging/debian/{postinst,prerm,postrm}
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

mkdir -p "$folder"
# dpkg-deb gives every file the time of SOURCE_DATE_EPOCH. The kind and level of compression are named, since
# they differ between releases of dpkg.
dpkg-deb --root-owner-group -Zgzip -z9 --build "$root" "$folder"
