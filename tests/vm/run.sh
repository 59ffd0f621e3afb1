#!/usr/bin/env bash
# Runs a command on Debian 12's own kernel (6.1, cgroup v2 alone) in an emulated machine that lasts as long as the command.
#
#   run.sh [-m MIB] [-t SECONDS] [-p "PACKAGE..."] DIR COMMAND...
#
# DIR is copied in as /work and is the working directory; the command runs as root, its output is ours, its status is ours.
# 77: no such machine can be made here, the last line says why. 124: it took longer than -t.
#
# Why: the machine at hand may have a newer kernel and cgroup v1. On 6.1 fsconfig("lowerdir+") does not exist (6.8),
# and limits go through cgroup v2. The machine is emulated: never measure speed in it.
#
# The kernel and the root file system are made once, from the Debian mirror, and kept in TORTE_VM_CACHE
# (default: /var/cache/torte-vm-tests).
set -euo pipefail
memory_mib=2048 seconds=900 packages="kmod,uidmap,iproute2,procps,busybox-static"
while getopts m:t:p: option; do
  case $option in
    m) memory_mib=$OPTARG ;;
    t) seconds=$OPTARG ;;
    p) packages=$packages,${OPTARG// /,} ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { sed -n '2,6p' "$0" >&2; exit 2; }
source_dir=$(cd "$1" && pwd)
shift
cache=${TORTE_VM_CACHE:-/var/cache/torte-vm-tests}

skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "making the machine's root file system needs root"
[ "$(uname -m)" = x86_64 ] || skip "the machine is made for x86_64, this is $(uname -m)"
for program in qemu-system-x86_64 mmdebstrap mke2fs depmod cpio; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || skip "$program is not installed"
done
[ -x /bin/busybox ] || skip "/bin/busybox (Debian package busybox-static) is not installed"
PATH=$PATH:/usr/sbin:/sbin

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/torte-vm.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

# The kernel, its modules, and a first root file system that finds the disk.
make_kernel() {
  local package version module
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ {print $2; exit}')
  [ -n "$package" ] || { apt-get -qq update && package=$(apt-cache depends linux-image-cloud-amd64 |
                         awk '/Depends: linux-image/ {print $2; exit}'); } || return 1
  [ -n "$package" ] || return 1
  mkdir "$scratch/kernel"
  # The sandbox user of apt may not write here, and says so at length.
  (cd "$scratch/kernel" && apt-get -qq download "$package" 2>/dev/null && dpkg -x ./*.deb files) || return 1
  version=$(basename "$scratch"/kernel/files/lib/modules/*)
  depmod -b "$scratch/kernel/files" "$version"
  mkdir -p "$scratch"/first/{bin,modules,root,proc,dev}
  cp /bin/busybox "$scratch/first/bin/"
  for module in virtio/virtio virtio/virtio_ring virtio/virtio_pci_modern_dev virtio/virtio_pci_legacy_dev \
                virtio/virtio_pci block/virtio_blk; do
    cp "$scratch/kernel/files/lib/modules/$version/kernel/drivers/$module.ko" "$scratch/first/modules/" 2>/dev/null || true
  done
  cat >"$scratch/first/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
  [ ! -e /modules/$module.ko ] || $b insmod /modules/$module.ko
done
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 200 ]; do $b usleep 50000; tries=$((tries + 1)); done
$b mount -t ext4 /dev/vda /root
$b umount /proc
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/torte-vm
INIT
  chmod +x "$scratch/first/init"
  (cd "$scratch/first" && find . | cpio --quiet -o -H newc | gzip -1 >"$cache/first.cpio.gz.new")
  rm -rf "$cache/modules"
  mv "$scratch/kernel/files/lib/modules" "$cache/modules"
  mv "$cache/first.cpio.gz.new" "$cache/first.cpio.gz"
  mv "$scratch"/kernel/files/boot/vmlinuz-* "$cache/vmlinuz"
}

# The Debian that the command sees; one image a set of packages.
make_root() {
  local root=$scratch/rootfs
  mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$root" >"$scratch/log" 2>&1 || return 1
  mkdir -p "$root/lib/modules" "$root/work"
  cp -a "$cache"/modules/* "$root/lib/modules/"
  cat >"$root/sbin/torte-vm" <<'INIT'
#!/bin/bash
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 pts /dev/pts
mount -t tmpfs -o mode=1777 tmp /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir /sys/fs/cgroup/boot
echo $$ >/sys/fs/cgroup/boot/cgroup.procs
for controller in $(</sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
for module in overlay fuse tun loop; do modprobe -q "$module"; done
ip link set lo up
hostname machine
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8
mount -t ext4 /dev/vdb /work
cd /work
echo '<<started>>' >/dev/console
bash /work/.command </dev/null >/dev/console 2>&1
echo "<<ended $?>>" >/dev/console
sync
echo o >/proc/sysrq-trigger
sleep 60
INIT
  chmod +x "$root/sbin/torte-vm"
  truncate -s 5G "$image.new"
  mke2fs -q -t ext4 -d "$root" "$image.new"
  mv "$image.new" "$image"
}

[ -e "$cache/vmlinuz" ] || make_kernel || skip "no kernel: the Debian mirror cannot be reached"
image=$cache/root-$(sha256sum <<<"$packages" | cut -c1-12).ext4
[ -e "$image" ] || make_root || skip "no root file system: $(tail -n 1 "$scratch/log")"
flock -u 9

# The second disk: the directory and the command.
mkdir "$scratch/files"
cp -a "$source_dir/." "$scratch/files/"
printf '%q ' "$@" >"$scratch/files/.command"
size_mib=$(($(du -sm --apparent-size "$scratch/files" | cut -f1) + 4096))
truncate -s "${size_mib}M" "$scratch/disk"
mke2fs -q -t ext4 -d "$scratch/files" "$scratch/disk"

accelerator=(-accel "tcg,thread=multi" -cpu max)
[ -z "${TORTE_VM_KVM:-}" ] || accelerator=(-accel kvm -cpu host)
set +e
timeout --kill-after=5 "$seconds" qemu-system-x86_64 "${accelerator[@]}" -m "$memory_mib" -smp 2 \
  -nographic -nodefaults -no-reboot -serial stdio -snapshot \
  -kernel "$cache/vmlinuz" -initrd "$cache/first.cpio.gz" \
  -append "console=ttyS0 quiet loglevel=3 panic=-1 cgroup_no_v1=all" \
  -drive "file=$image,if=virtio,format=raw" -drive "file=$scratch/disk,if=virtio,format=raw" \
  </dev/null 2>"$scratch/qemu.err" | sed -u 's/\r//g' | tee "$scratch/console" |
  sed -u -n '1,/<<started>>$/d; /^<<ended [0-9]*>>$/,$d; p'
machine=${PIPESTATUS[0]}
set -e
result=$(sed -n 's/^<<ended \([0-9]*\)>>$/\1/p' "$scratch/console" | tail -n 1)
[ -z "$result" ] || exit "$result"
if [ "$machine" = 124 ]; then echo "out of time after $seconds s"; exit 124; fi
cat "$scratch/qemu.err" >&2
tail -n 20 "$scratch/console" >&2
echo "the machine ended (status $machine) without a word about the command" >&2
exit 125
