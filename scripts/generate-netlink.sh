#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# generate-netlink.sh [--check]: make the C code of the netlink family from kernel/netlink/ppiov.yaml, with the
# generator of the kernel source tree KERNEL_TREE=DIR. With --check nothing is written: what is there is compared.
# PYTHON=... names a Python that has PyYAML and jsonschema; else .venv's is taken.
#
# Exit codes: 0 all is as generated; 1 it isn't (--check); 2 it can't be generated (one sentence says why).
set -eu

spec=kernel/netlink/ppiov.yaml
stage=

die() {
	echo "generate-netlink: $*" >&2
	exit 2
}
leave() { [ -z "$stage" ] || rm -rf "$stage"; }
trap leave EXIT
trap 'exit 3' INT TERM HUP

check=
case ${1-} in
'') ;;
--check) check=yes ;;
*) die "usage: KERNEL_TREE=DIR generate-netlink.sh [--check]" ;;
esac
cd "$(dirname "$0")/.."

tree=${KERNEL_TREE:-}
[ -n "$tree" ] || die "KERNEL_TREE= must name a kernel source tree"
# The first is where it was until 6.13.
for generator in "$tree/tools/net/ynl/ynl-gen-c.py" "$tree/tools/net/ynl/pyynl/ynl_gen_c.py" ''; do
	[ ! -f "$generator" ] || break
done
[ -n "$generator" ] || die "$tree has no tools/net/ynl generator"

python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=$(command -v "$python") || die "$python is not there: PYTHON= must name one with PyYAML"
"$python" -c 'import jsonschema, yaml' 2>/dev/null || die "$python lacks PyYAML or jsonschema"

# The generator looks for a tree's root by its MAINTAINERS, up to and beyond /, and for the schema two folders up.
stage=$(mktemp -d "${TMPDIR:-/tmp}/ppiov-netlink.XXXXXX") || die "no temporary directory can be made"
: >"$stage/MAINTAINERS"
mkdir -p "$stage/kernel/netlink" "$stage/kernel/pool" "$stage/kernel/include/uapi"
cp "$tree/Documentation/netlink/genetlink.yaml" "$stage/kernel/" || die "$tree has no schema for netlink specs"
# It takes one licence only, which is not this project's: the stage says that one, and what is generated says ours.
theirs='((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)'
sed "1s/.*/# SPDX-License-Identifier: $theirs/" "$spec" >"$stage/$spec"

# generate MODE KIND FILE
generate() {
	"$python" "$generator" --spec "$stage/$spec" --mode "$1" "--$2" -o "$stage/$3" >"$stage/log" 2>&1 ||
		die "the generator of $tree failed: $(tail -n 1 "$stage/log")"
}
generate uapi header kernel/include/uapi/ppiov_netlink.h
generate kernel header kernel/pool/nl_gen.h
generate kernel source kernel/pool/nl_gen.c

differs=
for file in kernel/include/uapi/ppiov_netlink.h kernel/pool/nl_gen.h kernel/pool/nl_gen.c; do
	# Newer generators say how to call them in the kernel's tree, which is not how it is done here.
	sed -i -e "1s/$theirs/GPL-2.0-only/" -e '/^\/\* To regenerate run: /d' "$stage/$file"
	if [ -z "$check" ]; then
		cmp -s "$stage/$file" "$file" || cp "$stage/$file" "$file"
	elif ! diff -u "$file" "$stage/$file"; then
		differs="$differs $file"
	fi
done
[ -z "$differs" ] || {
	echo "generate-netlink: not what $spec generates:$differs" >&2
	exit 1
}
