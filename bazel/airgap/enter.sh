#!/usr/bin/env bash
# Runs a command inside the air-gapped root: enter.sh ROOT COMMAND...
#
# The root's own files are read-only. The workspace, the home folder, the cache and /tmp are this machine's, at the same
# paths, so that what is built inside is found outside. The network and the process table are shared, and so is the
# machine's trust in certificates: tools inside verify as those outside do.
set -euo pipefail
root=${1:?the root}; shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
workspace=$(cd "$here/../.." && pwd -P)

binds=()
for folder in "$root"/*; do
  name=/${folder##*/}
  case $name in /dev | /proc | /sys | /tmp | /run | /home | /root | /mnt | /media | /srv | /boot) continue ;; esac
  if [[ -L $folder ]]; then binds+=(--symlink "$(readlink "$folder")" "$name"); else binds+=(--ro-bind "$folder" "$name"); fi
done
for file in /etc/resolv.conf /etc/hosts /etc/passwd /etc/group /etc/pip.conf; do
  [[ -e $file && -e $root$file ]] && binds+=(--ro-bind "$(readlink -f "$file")" "$file")
done

# A registry or vendored modules in a folder of this machine.
for folder in "${BAZELW_REGISTRY:-}" "${BAZELW_VENDOR_DIR:-}"; do
  folder=${folder#file://}
  [[ $folder == /* && -d $folder ]] && binds+=(--bind "$folder" "$folder")
done

bundle=
for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
  if [[ -n $file && -f $file ]]; then bundle=$file; break; fi
done
if [[ -n $bundle ]]; then
  inside=/etc/ssl/certs/ca-certificates.crt
  binds+=(--ro-bind "$(readlink -f "$bundle")" "$inside")
  for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE; do [[ -z ${!name:-} ]] || export "$name=$inside"; done
  # Java reads a trust store of its own, without a password; OpenSSL writes it, once for each state of the bundle.
  store=$BAZELW_CACHE_DIR/airgap/cacerts-$(sha256sum <"$bundle" | cut -c1-12)
  if [[ ! -e $store ]]; then
    bwrap "${binds[@]}" --dev-bind /dev /dev --bind "$BAZELW_CACHE_DIR" "$BAZELW_CACHE_DIR" /usr/bin/openssl pkcs12 -export -nokeys \
      -jdktrust anyExtendedKeyUsage -in "$inside" -out "$store.$$" -certpbe NONE -nomac -passout pass:
    mv "$store.$$" "$store"
  fi
  binds+=(--ro-bind "$store" /etc/ssl/certs/java/cacerts)
fi

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec bwrap "${binds[@]}" --dev-bind /dev /dev --bind /proc /proc --tmpfs /run --tmpfs /var/tmp \
  --bind /tmp /tmp --bind "$HOME" "$HOME" --bind "$BAZELW_CACHE_DIR" "$BAZELW_CACHE_DIR" --bind "$workspace" "$workspace" \
  --chdir "$PWD" "$@"
