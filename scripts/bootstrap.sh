#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# bootstrap.sh [run|test]: see to it that the Debian packages of packages.txt and the virtual environment .venv are
# there. Says what it is going to install, and why, before it does. A second call finds its stamp and does nothing.
#
# Exit codes: 0 all is there; 2 it can't be had (one sentence says why, and the cure); 3 interrupted.
# PYTHON=... names the Python to use. PPIOV_NO_PACKAGES=1 leaves packages alone (for systems that aren't Debian).
set -eu

mode=${1:-run}
case $mode in
run | test) ;;
*)
	echo "usage: bootstrap.sh [run|test]" >&2
	exit 2
	;;
esac
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.ready-$mode
half=$venv/.half-made
log=

say() { printf '%s\n' "$*"; }
die() {
	say "bootstrap: $*" >&2
	exit 2
}
leave() { [ -z "$log" ] || rm -f "$log"; }
trap leave EXIT
trap 'say "bootstrap: interrupted; the next call goes on where this one stopped" >&2; exit 3' INT TERM HUP

# What the stamp stands for: this place, these requirements.
state() { { pwd && cat pyproject.toml scripts/packages.txt "$0"; } | sha256sum; }

# What is ready for tests is ready for runs.
ready() {
	[ -x $venv/bin/ppiov ] && [ -x $venv/bin/python ] && [ ! -e $half ] || return 1
	for file in "$stamp" $venv/.ready-test; do
		if [ "$(cat "$file" 2>/dev/null)" = "$1" ]; then
			return 0
		fi
	done
	return 1
}

# --- Debian packages ---------------------------------------------------------------------------------------------

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Prints a line "NAMES WHY" for each package of the list that is missing.
missing() {
	while read -r what names why; do
		case $what in
		run) ;;
		test) [ "$mode" = test ] || continue ;;
		*) continue ;;
		esac
		for name in $(say "$names" | tr '|' ' '); do
			if installed "$name"; then
				continue 2
			fi
		done
		say "$names $why"
	done <scripts/packages.txt
}

# The first of "a|b" that the package lists know, or nothing.
known() {
	for name in $(say "$1" | tr '|' ' '); do
		if apt-cache show --no-all-versions "$name" >/dev/null 2>&1; then
			say "$name"
			return
		fi
	done
}

# Runs apt-get as root, keeping what it says for the sentence about a failure.
apt() {
	if [ "$(id -u)" = 0 ]; then
		DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >"$log" 2>&1
	else
		# shellcheck disable=SC2024 # the log is ours
		sudo DEBIAN_FRONTEND=noninteractive apt-get "$@" >"$log" 2>&1
	fi
}

# Why the last command failed, in a few words.
why_failed() {
	if grep -q 'No space left on device\|enough free space' "$log"; then
		say "the disk is full"
	elif grep -q 'Could not resolve\|Temporary failure\|NameResolutionError\|NewConnectionError\|Could not connect\|Failed to establish\|ProxyError\|Network is unreachable\|ConnectTimeout' "$log"; then
		say "there is no network"
	elif grep -q 'Could not get lock' "$log"; then
		say "another package manager is running"
	else
		{ grep '^E:\|ERROR' "$log" || cat "$log"; } | tail -n 1
	fi
}

# At a terminal sudo may ask for a password, but now: who is not in sudoers has to see the line, not a failed apt-get.
may_install() {
	[ "$(id -u)" != 0 ] || return 0
	command -v sudo >/dev/null || return 1
	sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }
}

packages() {
	[ -z "${PPIOV_NO_PACKAGES:-}" ] || return 0
	command -v dpkg-query >/dev/null ||
		die "this is not Debian: install what scripts/packages.txt names, and set PPIOV_NO_PACKAGES=1"
	absent=$(missing)
	[ -n "$absent" ] || return 0
	say "These Debian packages are missing:"
	say "$absent" | while read -r names why; do
		printf '  %-24s %s\n' "$(say "$names" | sed 's/|/ or /')" "$why"
	done
	if ! may_install; then
		say "bootstrap: they need root to install; have this line run, then call again:" >&2
		# shellcheck disable=SC2046 # one word each
		say "sudo apt-get install --no-install-recommends" $(say "$absent" | sed 's/[ |].*//') >&2
		exit 2
	fi
	wanted=$(resolve)
	if [ -z "$wanted" ]; then
		say "Reading the package lists (apt-get update) ..."
		apt update || die "apt-get update failed: $(why_failed)"
		wanted=$(resolve)
		[ -n "$wanted" ] || unknown
	fi
	say "Installing them (apt-get install --no-install-recommends) ..."
	# shellcheck disable=SC2086 # one word each
	if ! apt install -y --no-install-recommends $wanted; then
		if grep -q '404 *Not Found\|Failed to fetch' "$log"; then # the lists are older than the archive
			apt update || die "apt-get update failed: $(why_failed)"
			apt install -y --no-install-recommends $wanted || die "apt-get install failed: $(why_failed)"
		else
			die "apt-get install failed: $(why_failed)"
		fi
	fi
}

# Says why the lists don't know all that is absent: apt-get update succeeds even if nothing could be fetched.
unknown() {
	if grep -q 'Failed to fetch\|index files failed' "$log"; then
		die "the package lists can't be fetched: $(why_failed)"
	fi
	lacking=$(say "$absent" | while read -r names _; do [ -n "$(known "$names")" ] || printf ' %s' "$names"; done)
	die "apt knows no package$lacking: see its sources.list"
}

# The names to install for all that is absent; nothing if the lists don't know one of them.
resolve() {
	say "$absent" | {
		all=
		while read -r names _; do
			name=$(known "$names")
			[ -n "$name" ] || exit 0
			all="$all $name"
		done
		say "$all"
	}
}

# --- Python ------------------------------------------------------------------------------------------------------

# The distribution's Python comes first: it is there in the guest as well, and "python3" may be a version manager's.
python() {
	for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
		if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
			say "$candidate"
			return
		fi
		[ "$candidate" != "${PYTHON:-}" ] || die "PYTHON=$PYTHON is not a Python 3.11 or newer with venv"
	done
	die "no Python 3.11 or newer with its venv module was found: set PYTHON to one"
}

environment() {
	if [ -e $venv ] && { [ -e $half ] || [ ! -e $venv/pyvenv.cfg ] || ! $venv/bin/python -c 'import pip' 2>/dev/null ||
		[ "$(cat $venv/.place 2>/dev/null)" != "$(pwd)" ]; }; then
		say "The virtual environment $venv is half-made, moved or broken: making it anew."
		rm -rf $venv
	fi
	if [ ! -e $venv ]; then
		chosen=$(python)
		say "Making the virtual environment $venv with $chosen ($("$chosen" -V))."
		mkdir $venv 2>"$log" || die "$venv cannot be made: $(why_failed)"
		: >$half
		"$chosen" -m venv $venv >"$log" 2>&1 || die "$venv cannot be made: $(why_failed)"
		pwd >$venv/.place
	fi
	: >$half 2>/dev/null || die "$venv cannot be written"
	case $mode in
	run) what=. ;;
	test) what=".[dev]" ;;
	esac
	say "Installing ppiov and the libraries that pyproject.toml names into $venv (pip install -e $what) ..."
	$venv/bin/python -m pip install --quiet --disable-pip-version-check -e "$what" >"$log" 2>&1 ||
		die "pip failed: $(why_failed)"
	rm $half
}

# -----------------------------------------------------------------------------------------------------------------

now=$(state)
if ready "$now"; then
	exit 0
fi
log=$(mktemp "${TMPDIR:-/tmp}/ppiov-bootstrap.XXXXXX") || die "no temporary file can be made: is the disk full?"
packages
environment
say "$now" >"$stamp" || die "$stamp cannot be written"
say "Ready."
