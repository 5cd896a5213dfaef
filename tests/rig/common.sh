# Where the rig keeps what it made; read by setup and vmtest.
# SPDX-License-Identifier: Apache-2.0
rig=$(dirname "$(readlink -f "$0")")
cache=${GANTRY_RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-rig}
# Debian's kernel version, by the headers that are installed; empty: none.
kernel=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-amd64' ! -name '*cloud*' ! -name '*rt*' -printf '%f\n' 2>/dev/null |
  sed 's/^linux-headers-//' | sort -V | tail -1)
# One folder per content of the rig: another checkout with another rig does not disturb.
folder=$cache/$kernel-$(cat "$rig"/setup "$rig"/init-qemu "$rig"/kernel/* | sha256sum | cut -c1-12)
uml=${GANTRY_UML:-$cache/linux.uml-$(cat "$rig"/kernel/*uml* "$rig"/kernel/vkms-nv12.patch | sha256sum | cut -c1-12)}
