# Sourced by the scripts that need a fresh Debian 13. Sets nothing, defines:
#   unavailable REASON      end with 75: cannot run on this machine
#   make_root FOLDER        a Debian 13 with Python and a compiler, made once with debootstrap
#   enter ROOT COMMAND      run a shell command in it, with nothing of this environment but where packages come from
unavailable() { echo "$(basename "$0"): skipped: $1" >&2; exit 75; }

make_root() {
  [ "$(id -u)" = 0 ] || unavailable "needs root"
  [ ! -e "$1/.ready" ] || return 0
  command -v debootstrap >/dev/null || { [ "${CI:-}" = true ] && CI=true tools/packages debootstrap; }
  command -v debootstrap >/dev/null || unavailable "debootstrap is not installed"
  rm -rf "$1"
  timeout 900 debootstrap --variant=minbase --include=python3,python3-venv,python3-dev,gcc,libc6-dev,make,git,ca-certificates,iproute2 \
    trixie "$1" "${MIRROR:-http://deb.debian.org/debian}" >/dev/null 2>&1 || unavailable "debootstrap failed"
  touch "$1/.ready"
}

enter() {
  local root=$1 path; shift
  # What this machine needs to reach the package index, the new one needs too.
  for path in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -f $path ] || { mkdir -p "$root$(dirname $path)"; cp -L $path "$root$path"; }
  done
  for path in /proc /dev; do mountpoint -q "$root$path" || mount --rbind $path "$root$path"; done
  # What is unmounted in here must not be unmounted out there.
  mount --make-rslave "$root/proc" "$root/dev" 2>/dev/null || true
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${PIP_CERT:+PIP_CERT=$PIP_CERT} chroot "$root" sh -c "$*"
}
