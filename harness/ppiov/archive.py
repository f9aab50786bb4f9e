# SPDX-License-Identifier: GPL-2.0-only
"""Debian's package archive, read and verified by apt, without root.

apt runs with a configuration of our own that keeps all its state below the store: nothing of the host's apt is written.
What the host's administrator decided stays in force, since the host's configuration is read first: which mirror, which
proxy, which certificates, and which keys are trusted. The suites come from the host's own Debian sources; where a host
names only the release itself, its security suite is added, from the mirror's sibling folder (``.../debian`` ->
``.../debian-security``), under the same keys. Kernels newer than the release are in backports: the release's own, and
those of the releases after it.

apt verifies the chain signature -> index -> package. The SHA-256 of each package is compared here once more, since it
becomes part of the store's key.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ppiov import child
from ppiov.errors import NetworkGone, PpiovError, UntrustedArchive
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.store import Store, file_sha256, mb

# Options of a source that decide what is trusted and how old it may be; anything else is not carried over. In
# particular not "Trusted: yes": what is not signed is not used.
_CARRIED = ("Signed-By", "Check-Valid-Until", "Check-Date")
_RELEASES = ("bookworm", "trixie", "forky", "duke")  # in their order
_SUITE = re.compile(
    rf"(?P<base>{'|'.join(_RELEASES)}|sid|unstable|testing|stable|oldstable)"
    r"(?P<suffix>-security|-updates|-backports)?"
)
# What each failure looks like in apt's English messages, worst first: one bad signature outweighs any network trouble.
_UNTRUSTED = re.compile(
    r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|is not signed|GPG error|signatures? .*(invalid|couldn't be verified)"
    r"|Hash Sum mismatch|Clearsigned file isn't valid|cannot be authenticated|unauthenticated"
    r"|unexpected size|Sub-process .*(gpgv|sqv)|no longer signed|changed its '(Origin|Label)'",
)
_FULL = re.compile(r"No space left on device|You don't have enough free space|Disk quota exceeded")
_FULL_SECONDS, _FULL_BYTES = 5, 1_000_000  # no progress for so long with so little room: the disk is full
_SILENT_SECONDS = 300
_ABSENT = re.compile(r"does not have a Release file|404 +Not Found|File not found")
_UNREACHABLE = re.compile(
    r"Could not (resolve|connect|handshake|wait for server)|(Unable to connect|Cannot initiate the connection) to"
    r"|(Temporary failure|System error|Something wicked happened) resolving|No route to host"
    r"|[Cc]onnection (timed out|failed|refused|reset)|[Tt]imed out while|([Nn]etwork|[Hh]ost)( is)? unreachable"
    r"|Error reading from server|HTTP server sent an invalid|Bad header|Undetermined Error"
    r"|Certificate verification failed|SOCKS proxy|response from proxy"
    r"|\b[45]\d\d  [A-Z]"  # "503  Service Unavailable"
)
# apt's last lines, which say nothing of the reason
_EMPTY_WORDS = re.compile(r"Some index files|Unable to fetch some|Failed to fetch \S+\s*$")
_SOURCE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")


@dataclass(frozen=True, slots=True)
class Source:
    """One suite of one mirror, with the host's decisions about trust."""

    uri: str
    suite: str
    options: tuple[tuple[str, str], ...] = ()

    def stanza(self, arch: str) -> str:
        """The source in apt's deb822 form, reduced to package lists."""
        fields = [
            ("Types", "deb"), ("URIs", self.uri), ("Suites", self.suite), ("Components", "main"),
            ("Architectures", arch), ("Targets", "Packages"), *self.options,
        ]  # fmt: skip
        return "".join(f"{name}: {value}\n" for name, value in fields)


@dataclass(frozen=True, slots=True)
class Package:
    """One version of one package, as the archive's signed index has it."""

    name: str
    version: str
    arch: str
    size: int  # bytes to fetch
    installed: int  # bytes on disk, as the package says
    sha256: str
    depends: str = ""

    @property
    def upstream(self) -> str:
        """The version without epoch and Debian revision: "6.12.117"."""
        version = self.version.rpartition(":")[2]
        return version.rpartition("-")[0] or version


class Archive:
    """The Debian archive that this host's apt knows, with private state below ``store``. The caller holds the lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dir = store.dir("apt")
        self._conf = self._dir / "apt.conf"
        code, out, err = child.output(["dpkg", "--print-architecture"])
        if code:
            raise PpiovError(f"dpkg does not know this machine's architecture: {_last_line(err)}")
        self.arch = out.strip()

    def refresh(self, *, backports: bool = False, release: str = "") -> Generator[Event, None, None]:
        """Read the package lists anew. Raises NetworkGone, UntrustedArchive, DiskFull; PpiovError with apt's own words.

        ``backports`` asks for the backports suites of the host's release and of those after it as well, ``release`` for
        another release of the mirror.
        """
        given = host_sources()
        added = [s for s in siblings(given, backports=backports, release=release) if s not in given]
        note = ""
        yield StageBegun("archive", "read the package lists", 100, "%")
        while True:
            try:
                yield from self._update([*given, *added], absent_ok=bool(added))
                break
            except _Absent as absent:  # a mirror need not carry the suites that the host does not use
                if not added:
                    raise NetworkGone(str(absent)) from absent
                without = [s for s in added if s.suite in absent.about] or added
                own = tuple(f"{s.suite}-" for s in given)
                if told := [s.suite for s in without if s.suite.startswith(own)]:  # a release to come has none yet
                    yield Note(f"the mirror has no {' or '.join(told)}", "warning")
                    note = "in part"
                added = [s for s in added if s not in without]
        yield StageEnded("archive", note=note)

    def _update(self, sources: Sequence[Source], *, absent_ok: bool) -> Generator[Event, None, None]:
        self._configure(sources)
        yield from self._apt_get(["update"], "archive", 100, self._dir, absent_ok=absent_ok)

    def packages(self, prefix: str, pattern: re.Pattern[str]) -> list[Package]:
        """All versions of the packages whose name starts with ``prefix`` and matches ``pattern`` as a whole."""
        names = sorted(n for n in self._apt_cache(["pkgnames", prefix]).split() if pattern.fullmatch(n))
        return parse_packages(self._apt_cache(["show", "--all-versions", *names])) if names else []

    def download(self, packages: Sequence[Package]) -> Generator[Event, None, list[Path]]:
        """Fetch ``packages``, going on where an interrupted download stopped; returns the files.

        Raises what :meth:`refresh` raises.
        """
        folder = self._store.dir("apt/debs")
        for path in folder.glob("*.deb"):  # what an interrupted download of another kernel left
            if not any(path.match(f"{p.name}_*_{p.arch}.deb") for p in packages):
                path.unlink()
        total = sum(p.size for p in packages)
        yield StageBegun("download", f"fetch {len(packages)} packages", total, "B")
        wanted = [f"{p.name}:{p.arch if p.arch != 'all' else self.arch}={p.version}" for p in packages]
        yield from self._apt_get(["download", *wanted], "download", total, folder)
        files = []
        for package in packages:
            found = sorted(folder.glob(f"{package.name}_*_{package.arch}.deb"))
            right = [path for path in found if file_sha256(path) == package.sha256]
            if not right:
                for path in found:
                    path.unlink()
                raise UntrustedArchive(f"{package.name} {package.version} is not what the archive's signed index says")
            files.append(right[0])
        yield StageEnded("download", note=mb(total))
        return files

    def forget(self, files: Iterable[Path]) -> None:
        """Remove downloaded packages."""
        for path in files:
            path.unlink(missing_ok=True)

    def _configure(self, sources: Sequence[Source]) -> None:
        for name in ("state/lists/partial", "cache/archives/partial", "debs/partial", "sources"):
            (self._dir / name).mkdir(parents=True, exist_ok=True)
        status = self._dir / "state/status"  # nothing is installed, as far as this apt knows
        with self._store.room(self._dir, "the configuration of apt"):
            status.write_text("")
            listing = "\n".join(source.stanza(self.arch) for source in sources)
            (self._dir / "sources/debian.sources").write_text(listing)
            self._conf.write_text(configuration(self._dir, self.arch))

    def _apt_cache(self, args: Sequence[str]) -> str:
        code, out, err = child.output(["apt-cache", "-c", self._conf, *args])
        if code:
            raise self._failure(err)
        return out

    def _apt_get(
        self, args: Sequence[str], stage: str, total: float, cwd: Path, *, absent_ok: bool = False
    ) -> Generator[Event, None, None]:
        """Run apt-get; its own figure of what it has fetched becomes the progress of ``stage``.

        With ``absent_ok`` the stage goes on after _Absent was raised.
        """
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as status, os.fdopen(writer, "wb") as ours, TemporaryFile() as messages:
            command: list[str | Path] = ["apt-get", "-c", self._conf, "-q", "-o", f"APT::Status-Fd={writer}", *args]
            with child.child(command, stdout=messages, stderr=messages, cwd=cwd, pass_fds=(writer,)) as process:
                ours.close()  # apt has the only writing end now, so the pipe ends with apt
                last, since = -1.0, time.monotonic()
                for percent in percents(status):
                    if percent != last and percent is not None:
                        last, since = percent, time.monotonic()
                        yield StageProgress(stage, total * percent / 100)
                    elif stuck := self._stuck(time.monotonic() - since):
                        yield StageEnded(stage, ok=False)
                        raise stuck
            messages.seek(0)
            text = messages.read().decode(errors="replace")
        if process.returncode:
            failure = self._failure(text)
            if not absent_ok or not isinstance(failure, _Absent):
                yield StageEnded(stage, ok=False)
            raise failure

    def _stuck(self, seconds: float) -> PpiovError | None:
        """What to make of ``seconds`` without progress: apt times out by itself, but on a full disk it hangs."""
        if seconds > _FULL_SECONDS and shutil.disk_usage(self._dir).free < _FULL_BYTES:
            return self._store.full("what apt fetches", self._dir)
        if seconds > _SILENT_SECONDS:
            return NetworkGone(f"the package archive cannot be reached: apt got no further for {seconds:.0f} s")
        return None

    def _failure(self, text: str) -> PpiovError:
        """What apt's messages mean, as one of our errors."""
        last = _last_line(text, prefix=("E:", "W:", "Err:"))
        if match := _UNTRUSTED.search(text):
            line = next(line for line in text.splitlines() if match[0].splitlines()[0] in line)
            return UntrustedArchive(f"the package archive cannot be trusted: {_bare(line)}")
        if _FULL.search(text):
            return self._store.full("what apt fetched", self._dir)
        if _ABSENT.search(text):
            return _Absent(f"the package archive lacks what was asked of it: {last}", _complaints(text))
        if _UNREACHABLE.search(text):
            return NetworkGone(f"the package archive cannot be reached: {last}")
        return PpiovError(f"apt failed: {last}")


def percents(status: IO[bytes]) -> Iterator[float | None]:
    """What apt says on its status descriptor about a download, in percent; None now and then while it says nothing."""
    rest = b""
    while True:
        if not select.select([status], [], [], 1)[0]:
            yield None
            continue
        data = os.read(status.fileno(), 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:  # dlstatus:6:96.6667:Retrieving file 6 of 6
            fields = line.split(b":")
            if fields[0] == b"dlstatus" and len(fields) > 2:
                yield float(fields[2])


class _Absent(NetworkGone):
    """The mirror answers, but has no such suite or file; ``about`` has what apt complained of."""

    def __init__(self, sentence: str, about: str) -> None:
        super().__init__(sentence)
        self.about = about


def configuration(folder: Path, arch: str) -> str:
    """apt's configuration, read after the host's own: all state below ``folder``, no hooks, nothing unauthenticated."""
    quoted = str(folder).replace('"', "")
    return f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root"; // the folder below is this user's, and _apt could not enter it
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::AllowReleaseInfoChange::Suite "true"; // a release becomes oldstable while last year's lists are still here
Acquire::AllowReleaseInfoChange::Version "true";
Acquire::Languages "none";
Dir::State "{quoted}/state";
Dir::State::lists "{quoted}/state/lists";
Dir::State::status "{quoted}/state/status";
Dir::Cache "{quoted}/cache";
Dir::Cache::archives "{quoted}/cache/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{quoted}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""


def host_sources() -> list[Source]:
    """The Debian suites that the host's apt is configured with, one-line and deb822 sources alike.

    A source counts as Debian's if its suite is named as Debian's are and its last Release file, if there is one, does
    not say otherwise. What is not Debian's after all does not pass Debian's keys.
    """
    fields = ("$(TARGET_OF)", "$(ORIGIN)", "$(REPO_URI)", "$(RELEASE)", "$(COMPONENT)", "$(SOURCESENTRY)")
    asked = ["apt-get", "indextargets", "--format", "\t".join(fields), "Created-By: Packages"]
    origins: dict[tuple[str, str], str] = {}
    sources: dict[tuple[str, str], Source] = {}
    # Twice: with the Release files, which a host without downloaded lists lacks, and without.
    for option in ("--release-info", "--no-release-info"):
        code, out, err = child.output([*asked[:1], option, *asked[1:]])
        if code:
            raise PpiovError(f"this machine's apt configuration cannot be read: {_last_line(err)}")
        for line in out.splitlines():
            target, origin, uri, suite, component, entry = line.split("\t")
            if target != "deb" or component != "main" or not _SUITE.fullmatch(suite):
                continue
            if not origin.startswith("$("):
                origins[uri, suite] = origin
            if origins.get((uri, suite), "Debian") == "Debian":
                file = Path(entry.rpartition(":")[0])
                sources[uri, suite] = Source(uri, suite, source_options(_read(file), file.suffix, uri, suite))
    if not sources:
        raise NetworkGone("this machine's apt knows no Debian archive: name one below /etc/apt/sources.list.d")
    return list(sources.values())


def source_options(text: str, suffix: str, uri: str, suite: str) -> tuple[tuple[str, str], ...]:
    """What the source file ``text`` says about the trust in ``suite`` of ``uri``; ``suffix`` ".sources" is deb822."""
    if suffix == ".sources":
        for stanza in stanzas(text):
            uris = [u.rstrip("/") for u in stanza.get("uris", "").split()]
            if uri.rstrip("/") in uris and suite in stanza.get("suites", "").split():
                return tuple((name, stanza[name.lower()]) for name in _CARRIED if name.lower() in stanza)
        return ()
    for line in text.splitlines():
        match = _SOURCE_LINE.match(line.strip())
        if match and match["uri"].rstrip("/") == uri.rstrip("/") and match["suite"] == suite:
            options = dict(o.partition("=")[::2] for o in (match["options"] or "").split())
            # a list is separated by commas in one-line sources, by spaces in deb822
            return tuple((n, options[n.lower()].replace(",", " ")) for n in _CARRIED if n.lower() in options)
    return ()


def siblings(given: Sequence[Source], *, backports: bool, release: str = "") -> list[Source]:
    """The suites that kernels come from and that ``given`` may lack: each release's security suite, and backports.

    ``backports`` are the release's own and those of the releases after it, which have the newer kernels. A release
    cannot be told from a moving name such as "stable", so that has no later ones. ``release`` is one more, of the same
    mirror, for programs that are too old in the host's own.
    """
    wanted: list[Source] = []
    for source in given:
        match = _SUITE.fullmatch(source.suite)
        mirror = re.fullmatch(r"(?P<top>.*)/debian/?", source.uri)
        if not match or match["suffix"] or not mirror or match["base"] in ("sid", "unstable"):
            continue
        security = f"{match['base']}-security"
        if not any(s.suite == security for s in given):
            wanted.append(Source(f"{mirror['top']}/debian-security/", security, source.options))
        if backports:
            known = match["base"] in _RELEASES
            releases = _RELEASES[_RELEASES.index(match["base"]) :] if known else (match["base"],)
            suites = [f"{release}-backports" for release in releases]
            there = {s.suite for s in [*given, *wanted]}
            wanted += [Source(source.uri, suite, source.options) for suite in suites if suite not in there]
        if release and not any(s.suite == release for s in [*given, *wanted]):
            wanted.append(Source(source.uri, release, source.options))
    return wanted


def stanzas(text: str) -> list[dict[str, str]]:
    """Deb822 paragraphs as dictionaries with lower-case field names; a value keeps its continuation lines."""
    found: list[dict[str, str]] = []
    current: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if current:
                found.append(current)
            current, name = {}, ""
        elif line[0] in " \t":
            if name:
                current[name] += "\n" + line
        else:
            field, colon, value = line.partition(":")
            name = field.strip().lower() if colon else ""
            if name:
                current[name] = value.strip()
    return found


def parse_packages(text: str) -> list[Package]:
    """The records of ``apt-cache show``; a record without a SHA-256 is left out, since it could not be verified."""
    return [
        Package(
            name=s["package"],
            version=s["version"],
            arch=s["architecture"],
            size=int(s["size"]),
            installed=int(re.sub(r"\D", "", s.get("installed-size", "")) or 0) * 1024,
            sha256=s["sha256"].lower(),
            depends=s.get("depends", ""),
        )
        for s in stanzas(text)
        if s.keys() >= {"package", "version", "architecture", "size", "sha256"} and s["size"].isdecimal()
    ]


def newer(a: str, b: str) -> bool:
    """Whether Debian version ``a`` is later than ``b``, by dpkg's own order."""
    with child.child(["dpkg", "--compare-versions", a, "gt", b], stderr=subprocess.DEVNULL) as process:
        process.wait()
    return process.returncode == 0


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise NetworkGone(f"{path}, a source of this machine's apt, cannot be read: {error.strerror}") from error


def _bare(line: str) -> str:
    return re.sub(r"^(E:|W:|Err:\d*|N:)\s*", "", line.strip())


def _complaints(text: str) -> str:
    """apt's errors and warnings among its messages."""
    return "\n".join(line for line in text.splitlines() if line.strip().startswith(("E:", "W:", "Err:")))


def _last_line(text: str, prefix: tuple[str, ...] = ("",)) -> str:
    lines = [line for line in text.splitlines() if line.strip() and line.strip().startswith(prefix)]
    telling = [line for line in lines if not _EMPTY_WORDS.search(line)]
    return _bare((telling or lines or ["no reason given"])[-1])
