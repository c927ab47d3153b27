#!/usr/bin/env bash
# Prepares the root file system of the air-gapped way and prints its path: a Debian system with Bazel, a JDK, pip, Maven.
#
# Each step says what it does on standard error. A broken-off run goes on where it stopped (what it has downloaded is kept until then),
# two runs at once wait for each other, and a finished root is never changed.
#   DEBIAN_MIRROR   the mirror to use; default: the machine's own apt configuration, else the one that mmdebstrap knows
#   BAZELW_SUITE    the Debian suite that has the wanted Bazel; default: sid
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
suite=${BAZELW_SUITE:-sid}
packages=$(sed -e 's/#.*//' "$here/packages.txt" | xargs)
id=$(printf '%s\n' "$suite" "$packages" "$(<"$here/../../.bazelversion")" "$(cat "$here/root.sh")" | sha256sum | cut -c1-12)
home=$BAZELW_CACHE_DIR/airgap
root=$home/root-$id
wanted=$(<"$here/../../.bazelversion")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

log=$home/root.log
say() { printf 'bazelw: %s\n' "$*" >&2; }
die() { say "$@"; exit 2; }
fail() { tail -n 8 "$log" >&2; die "$1; the whole log is in $log"; }

if [[ -e $root/.ready ]]; then printf '%s\n' "$root"; exit 0; fi

[[ $(uname -s) == Linux ]] || die "the air-gapped way needs Linux; on $(uname -s) install Bazelisk and use BAZELW_MODE=connected"

mkdir -p "$home/debs/partial"

# 1. What the preparation needs from the system itself.
missing=()
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v bwrap >/dev/null || missing+=(bubblewrap)
[[ -e $keyring ]] || missing+=(debian-archive-keyring)
[[ $(id -u) == 0 ]] || command -v newuidmap >/dev/null || missing+=(uidmap)
if [[ ${#missing[@]} -gt 0 ]]; then
  [[ $(id -u) == 0 ]] || die "install what is missing, then run this again: sudo apt-get install ${missing[*]}"
  command -v apt-get >/dev/null || die "install what is missing with the system's package manager: ${missing[*]}"
  say "[1/4] installing ${missing[*]}"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}"; } >"$log" 2>&1 ||
    fail "apt-get could not install ${missing[*]}"
else
  say "[1/4] mmdebstrap and bubblewrap are installed"
fi

exec 9>"$home/lock"
flock -n 9 || { say "another run is preparing the root; waiting for it"; flock 9; }
if [[ -e $root/.ready ]]; then printf '%s\n' "$root"; exit 0; fi
rm -rf "$home"/root-*.part

mirror=$("$here/../debian/mirrors.sh" debian | head -n 1 || true)
work=$(mktemp -d "$home/apt.XXXXXX"); trap 'rm -rf "$work"' EXIT

# 2. Packages, by apt with its own signature checks, into a folder that outlives a broken-off run.
if [[ -n $mirror ]]; then
  say "[2/4] downloading the root's packages (about 500 MB) into $home/debs"
  mkdir -p "$work"/{state/lists/partial,cache,etc}; : >"$work/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$work/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=-" -o "Dir::State=$work/state"
    -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" -o "Dir::Cache::archives=$home/debs"
    -o "APT::Sandbox::User=root" -o 'Acquire::Check-Valid-Until=false' -o 'Acquire::Languages=none' -o Debug::NoLocking=true)
  "${apt[@]}" update >"$log" 2>&1 || fail "apt-get update failed for suite $suite"
  # shellcheck disable=SC2086
  "${apt[@]}" --no-install-recommends --download-only -y install '?essential' apt $packages >>"$log" 2>&1 || fail "downloading packages failed"
else
  say "[2/4] no Debian mirror in this machine's apt configuration: mmdebstrap uses its own (DEBIAN_MIRROR sets another)"
fi

# 3. The root itself.
say "[3/4] unpacking and configuring the root (about a minute)"
options=(--variant=apt --include="${packages// /,}" --aptopt='Acquire::Check-Valid-Until "false"'
  "--skip=download/empty,essential/unlink,cleanup/apt/cache"
  "--setup-hook=mkdir -p \"\$1/var/cache/apt/archives\"" "--setup-hook=sync-in '$home/debs' /var/cache/apt/archives"
  # Debian's build does not know its own version, by which the real modules choose what they load.
  "--customize-hook=echo build.label=$wanted >\"\$1/build-data.properties\" && chroot \"\$1\" zip -q /usr/share/bazel/A-server.jar build-data.properties && rm \"\$1/build-data.properties\""
  "--customize-hook=rm -rf \"\$1\"/var/cache/apt/archives/*.deb \"\$1\"/var/lib/apt/lists/*")
sources=(); [[ -n $mirror ]] && sources=("deb $mirror $suite main")
part=$root.part
if [[ $(id -u) == 0 ]]; then
  mmdebstrap --mode=root "${options[@]}" "$suite" "$part" "${sources[@]}" >>"$log" 2>&1 || fail "mmdebstrap failed"
else
  mkdir -p "$part"
  mmdebstrap --mode=unshare --format=tar "${options[@]}" "$suite" - "${sources[@]}" 2>>"$log" |
    tar -x -C "$part" --no-same-owner --exclude='./dev/*' 2>>"$log" || fail "mmdebstrap failed"
fi
rm -rf "${part:?}/dev" "$part/etc/bazel/bazelrc" # the rc of Debian's package: bazel.sh and airgap.bazelrc say it all

# 4. Mount points, and a check that the root does what it is for.
say "[4/4] checking the root's Bazel"
mkdir -p "$part"/{dev,proc,tmp}
touch "$part/etc/resolv.conf" "$part/etc/hosts"
found=$(cat "$part/usr/share/bazel/build-label.txt" 2>/dev/null || true)
[[ $found == "$wanted"* ]] || die "suite $suite has Bazel '${found:-none}', .bazelversion wants $wanted: set BAZELW_SUITE and DEBIAN_MIRROR to a suite or snapshot that has it"
touch "$part/.ready"
mv "$part" "$root"
rm -rf "$home/debs"
say "the root is ready: $root"
printf '%s\n' "$root"
