#!/usr/bin/env bash
# Prints the base address of this machine's mirror of a Debian archive: mirror.sh debian|debian-security
#
# From DEBIAN_MIRROR or DEBIAN_SECURITY_MIRROR, else, on Debian, from apt's source lists (both formats of
# sources.list(5); the lists need not have been downloaded). Exits 1 and prints nothing where there is none.
set -euo pipefail
case ${1:?debian or debian-security} in
  debian) set_by_hand=${DEBIAN_MIRROR:-} security=0 ;;
  debian-security) set_by_hand=${DEBIAN_SECURITY_MIRROR:-} security=1 ;;
  *) printf 'mirror.sh: no archive is called %s\n' "$1" >&2; exit 2 ;;
esac
if [[ -n $set_by_hand ]]; then printf '%s\n' "${set_by_hand%% *}"; exit 0; fi
etc=${BAZELW_ETC:-/etc}
# shellcheck source=/dev/null
[[ $(. "$etc/os-release" 2>/dev/null && printf '%s' "${ID:-}") == debian ]] || exit 1

shopt -s nullglob
{
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
} | awk -v security="$security" '
  # A suite of Debian itself, by code name or role; a third party has names of its own.
  $2 !~ /^(bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|testing|unstable)(\/updates|-updates|-security|-backports|-proposed-updates)?$/ { next }
  ($2 ~ /(-security|\/updates)$/) == (security == 1) && $1 ~ /^(https?|file|copy|ftp):/ { sub(/\/$/, "", $1); print $1; found = 1; exit }
  END { exit !found }'
