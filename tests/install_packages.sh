#!/usr/bin/env bash
# Installs the Debian 12 packages that torte needs, and nothing when they are already there.
#
#   install_packages.sh build         compile the program and its unit tests
#   install_packages.sh build test    and run every test: peers as oracles, a registry, an emulated machine
#
# Runs as root, or as a user who may use sudo. Status 0: all are installed; 1: some are not, and they are named.
set -euo pipefail

build_packages=(
  g++ cmake ninja-build ccache pkg-config
  libssl-dev libsqlite3-dev zlib1g-dev libzstd-dev libisal-dev libbz2-dev liblzma-dev libseccomp-dev
  libcurl4-openssl-dev libfuse3-dev libtomlplusplus-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  busybox-static uidmap
  libnftables1 slirp4netns passt              # private networks: root's; ordinary users' (one of the two is enough)
)
test_packages=(
  skopeo umoci podman crun runc docker-registry apache2-utils  # read what we write, and the other way round
  python3 curl git openssh-client xz-utils  procps              # what test scripts call
  iproute2 nftables util-linux               # namespaces that stand for hosts, and their rules
  clang clang-format                         # the fuzz preset; how sources are written
  mmdebstrap                                 # Debian root file systems for samples/web and the machine
  qemu-system-x86 cpio kmod e2fsprogs        # the emulated machine (tests/vm)
)

wanted=()
for set in "$@"; do
  case $set in
    build) wanted+=("${build_packages[@]}") ;;
    test) wanted+=("${test_packages[@]}") ;;
    *) echo "usage: $0 build|test..." >&2; exit 2 ;;
  esac
done
[ ${#wanted[@]} -gt 0 ] || { echo "usage: $0 build|test..." >&2; exit 2; }

# Prints those of its arguments that are not installed.
missing_of() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
              awk '$1 == "installed" {print $2}') || true
  local package
  for package in "$@"; do grep -qxF -- "$package" <<<"$installed" || echo "$package"; done
}

mapfile -t missing < <(missing_of "${wanted[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing ${#missing[@]} Debian packages: ${missing[*]}"

if ! command -v apt-get >/dev/null; then
  echo "error: no apt-get here; install what Debian calls: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null && ! [ -t 0 ]; then
    echo "error: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends install "$@" >/dev/null
}
"${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update ||
  echo "warning: the package lists could not be refreshed; trying with the old ones" >&2
if ! install "${missing[@]}"; then
  # One package that cannot be had must not cost the others.
  for package in "${missing[@]}"; do install "$package" || true; done
fi

mapfile -t missing < <(missing_of "${wanted[@]}")
if [ ${#missing[@]} -gt 0 ]; then
  echo "error: could not install: ${missing[*]}" >&2
  exit 1
fi
