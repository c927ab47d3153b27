#!/usr/bin/env bash
# Bazel of the air-gapped root, on this workspace. What `run` builds inside starts outside, where docker and kubectl are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
workspace=$(cd "$here/../.." && pwd -P)
: "${BAZELW_CACHE_DIR:?start ./bazelw instead}"
mkdir -p "$BAZELW_CACHE_DIR"
BAZELW_CACHE_DIR=$(cd "$BAZELW_CACHE_DIR" && pwd -P)

root=$("$here/root.sh")
DEBIAN_MIRROR=$("$here/../debian/mirrors.sh" debian | xargs || true)
DEBIAN_SECURITY_MIRROR=$("$here/../debian/mirrors.sh" debian-security | xargs || true)
export DEBIAN_MIRROR DEBIAN_SECURITY_MIRROR

# Launchers outside the root (oci_push) start the root's tools through this.
launcher=$BAZELW_CACHE_DIR/airgap/enter-$(cksum <<<"$root $workspace" | cut -d' ' -f1)
printf '#!/usr/bin/env bash\nexport BAZELW_CACHE_DIR=%q\nexec %q %q "$@"\n' "$BAZELW_CACHE_DIR" "$here/enter.sh" "$root" >"$launcher.$$"
chmod +x "$launcher.$$"; mv "$launcher.$$" "$launcher"
export BAZELW_ENTER=$launcher

# Real modules have a server of their own: it sees other folders, and neither way fetches again what the other has.
way=${BAZELW_RC:+$(basename "$BAZELW_RC" .bazelrc)}
# What `run` starts outside finds Bazel's own files, which programs of the real modules read, by this path of the root.
base=${way:+$root}/usr/share/bazel
startup=(--install_base="$base" --trust_install_base --output_user_root="$BAZELW_CACHE_DIR/bazel${way:+-$way}")
flags=("common --disk_cache=$BAZELW_CACHE_DIR/disk --experimental_disk_cache_gc_max_size=20G")
[[ -n ${BAZELW_RC:-} ]] || flags+=("common --config=airgap")

command=
for word in "$@"; do [[ $word == -* ]] || { command=$word; break; }; done
script=
if [[ $command == run ]]; then
  script=$(mktemp "${TMPDIR:-/tmp}/bazelw-run.XXXXXX"); flags+=("run --script_path=$script")
fi
rc=$(mktemp "${TMPDIR:-/tmp}/bazelw-rc.XXXXXX"); trap 'rm -f "$rc" "$script"' EXIT
printf '%s\n' "${flags[@]}" >"$rc"

status=0
"$here/enter.sh" "$root" bazel "${startup[@]}" --bazelrc="$rc" ${BAZELW_RC:+--bazelrc="$BAZELW_RC"} "$@" || status=$?
[[ $status == 0 && -n $script && -s $script ]] || exit "$status"

# The script removes itself through the descriptor that bash has open.
exec 8<"$script"; rm -f "$rc" "$script"; trap - EXIT
exec bash /dev/fd/8
