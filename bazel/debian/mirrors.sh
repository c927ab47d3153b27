#!/usr/bin/env bash
# Prints where a Debian archive is had from, a base address a line, best first: mirrors.sh debian|debian-security [SNAPSHOT]
#
#   1. DEBIAN_MIRROR or DEBIAN_SECURITY_MIRROR: one or several addresses, separated by blanks
#   2. else, on Debian, apt's source lists (both formats of sources.list(5); nothing need have been downloaded)
#   3. with SNAPSHOT, a time such as 20261124T000000Z, Debian's archive of that time: DEBIAN_SNAPSHOT is the address of the
#      snapshot archive (above debian/ and debian-security/); by default where apt itself, from version 3 on, finds it
# Exits 1 where there is none; who asked for a SNAPSHOT wants a package, and gets one line on standard error that says what to set.
set -euo pipefail
archive=${1:?debian or debian-security}; snapshot=${2:-}
case $archive in
  debian) variable=DEBIAN_MIRROR by_hand=${DEBIAN_MIRROR:-} security=0 key=Acquire::Snapshots::URI::Origin::Debian ;;
  debian-security) variable=DEBIAN_SECURITY_MIRROR by_hand=${DEBIAN_SECURITY_MIRROR:-} security=1 key=Acquire::Snapshots::URI::Override::Label::Debian-Security ;;
  *) printf 'mirrors.sh: no archive is called %s\n' "$archive" >&2; exit 2 ;;
esac
etc=${BAZELW_ETC:-/etc}

# "ADDRESS SUITE" of every enabled entry of apt's source lists.
sources() {
  shopt -s nullglob
  local file
  for file in "$etc"/apt/sources.list "$etc"/apt/sources.list.d/*.list; do
    [[ -e $file ]] && sed -nE 's/#.*//; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]]+)[[:space:]]+([^[:space:]]+).*/\2 \3/p' "$file"
  done
  for file in "$etc"/apt/sources.list.d/*.sources; do
    awk 'function flush() { if (uri && enabled) { n = split(suites, s, " "); for (i = 1; i <= n; i++) print uri, s[i] } uri = suites = ""; enabled = 1 }
         BEGIN { enabled = 1 }
         /^#/ { next } /^[[:space:]]*$/ { flush() }
         tolower($1) == "uris:" { uri = $2 } tolower($1) == "suites:" { sub(/^[^:]*:[[:space:]]*/, ""); suites = $0 }
         tolower($1) == "enabled:" && tolower($2) == "no" { enabled = 0 }
         END { flush() }' "$file"
  done
}

candidates() {
  if [[ -n $by_hand ]]; then
    tr ' ' '\n' <<<"$by_hand"
  elif grep -qx 'ID=debian' "$etc/os-release" 2>/dev/null; then
    # A suite of Debian itself, by code name or role; a third party's are called otherwise.
    sources | awk -v security="$security" '
      $2 !~ /^(bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|testing|unstable)(\/updates|-updates|-security|-backports|-proposed-updates)?$/ { next }
      ($2 ~ /(-security|\/updates)$/) == (security == 1) && $1 ~ /^(https?|file|ftp):/ { print $1 }'
  fi
  if [[ -n $snapshot ]]; then
    if [[ -n ${DEBIAN_SNAPSHOT:-} ]]; then
      printf '%s/%s/%s\n' "${DEBIAN_SNAPSHOT%/}" "$archive" "$snapshot"
    elif command -v apt-config >/dev/null; then
      apt-config dump | sed -nE "s|^$key \"(.*)@SNAPSHOTID@/\";|\1$snapshot|p"
    fi
  fi
}

found=$(candidates | sed 's|/*$||' | awk 'NF && !seen[$0]++')
if [[ -z $found ]]; then
  [[ -n $snapshot ]] || exit 1
  system=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$etc/os-release" 2>/dev/null || uname -s)
  printf '%s has no mirror of the archive %s in its settings: set %s to the address of one of those that Debian lists (https://www.debian.org/mirror/list), or DEBIAN_SNAPSHOT to the address of a snapshot archive, which serves both archives\n' \
    "this machine (${system:-$(uname -s)})" "$archive" "$variable" >&2
  exit 1
fi
printf '%s\n' "$found"
