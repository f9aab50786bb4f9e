#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The first thing of ours that runs in the guest: makes /usr quick, then hands over to what boot.env names.
#
# virtme mounts the host's root over 9p without a cache: under TCG each open() costs a millisecond or more, and starting
# pytest took 19 s. /usr is mounted once more, cached, and so is what else is named in "mounts", since nothing changes it
# while the guest lives (and without an overlay, whose xattr lookups the cache does not cover); and Python's library comes
# as one zip file, read from memory (pyzip.py).
set -eu
read -r PPIOV_BEGUN _ </proc/uptime # for the record: from here on the time is ours
export PPIOV_BEGUN
share=/run/ppiov
# shellcheck source=/dev/null
. "$share/boot.env" # RELEASE, MODULES_ROOT, PYTHON_ZIP, ENTRY

while read -r tag folder; do
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=524288 "$tag" "$folder"
done <"$share/mounts"

# modprobe, called by a test or by the kernel, must find this kernel's modules wherever they are on the host.
if [ "$MODULES_ROOT" != / ]; then
	export MODPROBE_OPTIONS="-d $MODULES_ROOT"
	printf '#!/bin/sh\nexec /usr/sbin/modprobe -d "%s" "$@"\n' "$MODULES_ROOT" >/run/modprobe
	chmod +x /run/modprobe
	echo /run/modprobe >/proc/sys/kernel/modprobe
fi

cp "$PYTHON_ZIP" /dev/shm/python.zip
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PYTHONPATH=/dev/shm/python.zip
export PATH PYTHONPATH PYTHONDONTWRITEBYTECODE=1 HOME=/root LANG=C.UTF-8
exec sh -c "$ENTRY"
