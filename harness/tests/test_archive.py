# SPDX-License-Identifier: GPL-2.0-only
"""The archive: what is learnt from the host's apt, and that nothing unsigned or altered gets through.

Real apt and real signatures, over a small archive signed with a throw-away key (fake_archive.py).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import fake_archive
import pytest
from fake_archive import FakeArchive
from hypothesis import given, settings
from hypothesis import strategies as st
from ppiov import archive
from ppiov.archive import Archive, Package, Source, siblings, source_options, stanzas
from ppiov.errors import NetworkGone, UntrustedArchive
from ppiov.events import Event, Note, StageEnded, StageProgress
from ppiov.store import Store

ANY = re.compile(".*")


@pytest.fixture(scope="module")
def pristine() -> Iterator[FakeArchive]:
    fake_archive.need("apt-get", "dpkg-deb", "gpg")
    yield from fake_archive.made()


@pytest.fixture
def fake(pristine: FakeArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeArchive]:
    """The archive, put back as it was after the test; the host's apt knows nothing else."""
    saved = {path: path.read_bytes() for path in pristine.top.glob("debian*/**/*") if path.is_file()}
    sources = pristine.sources.read_text()
    monkeypatch.setenv("APT_CONFIG", str(pristine.top / "host.conf"))
    yield pristine
    for path in pristine.top.glob("debian*/**/*"):
        if path.is_file() and path not in saved:
            path.unlink()
    for path, content in saved.items():
        path.write_bytes(content)
    pristine.sources.write_text(sources)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def events(engine: Generator[Event, None, object]) -> list[Event]:
    return list(engine)


def fetch(store: Store, name: str) -> list[Path]:
    """Refresh and download one package by name."""
    source = Archive(store)
    events(source.refresh())
    (package,) = source.packages(name, re.compile(re.escape(name)))
    engine = source.download([package])
    while True:
        try:
            next(engine)
        except StopIteration as stop:
            files: list[Path] = stop.value
            return files


IMAGE = f"linux-image-{fake_archive.release_of('6.12.1')}"


def test_a_signed_package_arrives(fake: FakeArchive, store: Store) -> None:
    (path,) = fetch(store, IMAGE)
    assert path.read_bytes() == next((fake.top / "debian/pool").glob(f"{IMAGE}_*.deb")).read_bytes()
    assert path.is_relative_to(store.root)


def test_refresh_tells_its_progress_and_adds_the_security_suite(fake: FakeArchive, store: Store) -> None:
    source = Archive(store)
    told = events(source.refresh())
    assert [e.done for e in told if isinstance(e, StageProgress)][-1] == 100
    assert {p.upstream for p in source.packages("linux-", ANY)} == {"6.12.1", "6.12.2", "6.12.3"}


def test_a_mirror_without_security_suite_is_used_as_it_is(fake: FakeArchive, store: Store) -> None:
    (fake.top / "debian-security").rename(fake.top / "elsewhere")
    try:
        source = Archive(store)
        told = events(source.refresh())
    finally:
        (fake.top / "elsewhere").rename(fake.top / "debian-security")
    assert any(isinstance(e, Note) and "bookworm-security" in e.text for e in told)
    assert {p.upstream for p in source.packages("linux-", ANY)} == {"6.12.1"}


def test_backports_that_the_mirror_has_are_read_and_the_others_are_not_missed(fake: FakeArchive, store: Store) -> None:
    source = Archive(store)
    told = events(source.refresh(backports=True))
    assert {p.upstream for p in source.packages("linux-image", ANY)} == {"6.12.1", "6.12.2", "6.12.3", "7.3.4"}
    # the release's own are missed aloud; a release to come has none yet
    assert [e.text for e in told if isinstance(e, Note)] == ["the mirror has no bookworm-backports"]
    assert all(e.ok for e in told if isinstance(e, StageEnded))


def test_an_altered_package_is_refused(fake: FakeArchive, store: Store) -> None:
    deb = next((fake.top / "debian/pool").glob(f"{IMAGE}_*.deb"))
    content = bytearray(deb.read_bytes())
    content[-100] ^= 1
    deb.write_bytes(content)
    with pytest.raises(UntrustedArchive):
        fetch(store, IMAGE)
    assert not list((store.root / "apt/debs").glob("*.deb"))


def test_a_package_that_apt_lets_through_is_still_compared(fake: FakeArchive, store: Store) -> None:
    source = Archive(store)
    events(source.refresh())
    (package,) = source.packages(IMAGE, re.compile(re.escape(IMAGE)))
    other = Package(package.name, package.version, package.arch, package.size, package.installed, "0" * 64)
    with pytest.raises(UntrustedArchive, match="not what the archive's signed index says"):
        events(source.download([other]))


def test_an_altered_index_is_refused(fake: FakeArchive, store: Store) -> None:
    lists = fake.top / f"debian/dists/bookworm/main/binary-{fake_archive.ARCH}"
    (lists / "Packages").write_text((lists / "Packages").read_text().replace("6.12.1-1", "6.12.9-1"))
    (lists / "Packages.gz").unlink()
    with pytest.raises(UntrustedArchive):
        fetch(store, IMAGE)


def test_a_stranger_s_signature_is_refused(fake: FakeArchive, store: Store) -> None:
    stranger = fake.top / "k2"
    if not stranger.exists():
        fake_archive.new_key(stranger)
    fake.sign("debian", "bookworm", stranger)
    with pytest.raises(UntrustedArchive):
        fetch(store, IMAGE)


@pytest.mark.parametrize("host_says", ["[trusted=yes]", "[allow-insecure=yes trusted=yes]"])
def test_an_unsigned_archive_is_refused_even_if_the_host_trusts_it(
    fake: FakeArchive, store: Store, host_says: str
) -> None:
    (fake.top / "debian/dists/bookworm/InRelease").unlink()
    fake.sources.write_text(f"deb {host_says} file:{fake.top}/debian bookworm main\n")
    with pytest.raises(UntrustedArchive):
        fetch(store, IMAGE)


def test_a_mirror_that_is_gone_is_no_network(fake: FakeArchive, store: Store) -> None:
    fake.sources.write_text(f"deb [signed-by={fake.keyring}] http://127.0.0.1:9/debian bookworm main\n")
    with pytest.raises(NetworkGone, match="cannot be reached"):
        fetch(store, IMAGE)


def test_a_host_without_debian_sources_is_a_sentence(fake: FakeArchive, store: Store) -> None:
    fake.sources.write_text(f"deb file:{fake.top}/debian someones-own main\n")
    with pytest.raises(NetworkGone, match="knows no Debian archive"):
        fetch(store, IMAGE)


def test_deb822_sources_are_read_too(fake: FakeArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "debian.sources").write_text(
        "# a comment\nTypes: deb deb-src\nURIs: http://one.example/debian http://two.example/debian\n"
        f"Suites: bookworm bookworm-updates\nComponents: main contrib\nSigned-By: {fake.keyring}\n\n"
        "Types: deb\nURIs: http://three.example/debian\nSuites: trixie\nComponents: main\nEnabled: no\n"
    )
    config = tmp_path / "host.conf"
    config.write_text(
        f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{parts}";\nDir::State::lists "{tmp_path}/none";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    found = archive.host_sources()
    assert {(s.uri, s.suite) for s in found} == {
        (f"http://{mirror}.example/debian/", suite)
        for mirror in ("one", "two")
        for suite in ("bookworm", "bookworm-updates")
    }
    assert {s.options for s in found} == {(("Signed-By", str(fake.keyring)),)}


def test_the_host_s_hooks_do_not_run_and_nothing_is_written_outside(
    fake: FakeArchive, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "host.conf"
    config.write_text(
        (fake.top / "host.conf").read_text()
        + f'APT::Update::Post-Invoke-Success {{ "touch {tmp_path}/hook"; }};\nDir::Cache "{tmp_path}/host-cache";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    fetch(store, IMAGE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["host.conf", "store"]


def test_siblings() -> None:
    options = (("Signed-By", "/k.gpg"),)
    release = Source("http://m.example/debian/", "bookworm", options)
    security = Source("http://m.example/debian-security/", "bookworm-security", options)
    assert siblings([release], backports=False) == [security]
    assert siblings([release, security], backports=False) == []
    later = [Source(release.uri, f"{name}-backports", options) for name in ("bookworm", "trixie", "forky", "duke")]
    assert siblings([release, security], backports=True) == later
    assert siblings([release, security, later[1]], backports=True) == [later[0], *later[2:]]
    moving = Source(release.uri, "stable", options)
    assert [s.suite for s in siblings([moving], backports=True)] == ["stable-security", "stable-backports"]
    assert siblings([Source("http://m.example/debian/", "sid")], backports=True) == []
    assert siblings([Source("http://m.example/snapshots/today/", "bookworm")], backports=True) == []


ONE_LINE = (
    "# deb http://x/debian bookworm main\ndeb [arch=amd64 signed-by=/a.gpg,/b.gpg] http://x/debian/ bookworm main\n"
)


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        (ONE_LINE, ".list", (("Signed-By", "/a.gpg /b.gpg"),)),
        ("deb http://x/debian bookworm main", ".list", ()),
        (
            "deb [trusted=yes check-valid-until=no] http://x/debian bookworm main",
            ".list",
            (("Check-Valid-Until", "no"),),
        ),
        ("URIs: http://x/debian\nSuites: sid bookworm\nTrusted: yes\n", ".sources", ()),
        (
            "URIs: http://x/debian\nSuites: bookworm\nSigned-By:\n -----BEGIN\n .\n abc\n",
            ".sources",
            (("Signed-By", "\n -----BEGIN\n .\n abc"),),
        ),
        ("URIs: http://y/debian\nSuites: bookworm\nSigned-By: /y\n", ".sources", ()),
    ],
)
def test_what_a_source_says_about_trust(text: str, suffix: str, expected: tuple[tuple[str, str], ...]) -> None:
    assert source_options(text, suffix, "http://x/debian/", "bookworm") == expected


names = st.text("abcdefgh-", min_size=1, max_size=9).filter(lambda name: name[0] != "-")
words = st.text("abc:/.#", min_size=1, max_size=9)
values = st.lists(words, min_size=1, max_size=3).map("\n ".join)


@settings(max_examples=50)
@given(st.lists(st.dictionaries(names, values, min_size=1), max_size=5))
def test_stanzas_are_read_back_as_written(wanted: list[dict[str, str]]) -> None:
    text = "\n".join("".join(f"{name}: {value}\n" for name, value in stanza.items()) for stanza in wanted)
    assert stanzas(text) == wanted


@given(st.text())
def test_garbage_is_no_package(text: str) -> None:
    assert archive.parse_packages(text) == []


def test_a_record_that_cannot_be_verified_is_left_out() -> None:
    record = "Package: p\nVersion: 1:6.12.1-1\nArchitecture: all\nSize: 5\nInstalled-Size: 2\n"
    assert archive.parse_packages(record) == []
    (package,) = archive.parse_packages(record + "SHA256: ABCD\n")
    assert package == Package("p", "1:6.12.1-1", "all", 5, 2048, "abcd")
    assert package.upstream == "6.12.1"


def test_versions_are_ordered_as_dpkg_does() -> None:
    fake_archive.need("dpkg")
    assert archive.newer("6.12.117-1", "6.12.117-1~deb12u1")
    assert archive.newer("6.12.10-1", "6.12.9-1")
    assert not archive.newer("6.12.9-1", "6.12.9-1")


@pytest.fixture
def failing(store: Store) -> Archive:
    """An archive whose apt need not be there."""
    blank = Archive.__new__(Archive)
    blank._store, blank._dir = store, Path("/x")
    return blank


def test_a_full_disk_is_told_apart(failing: Archive) -> None:
    error = failing._failure("E: Write error - write (28: No space left on device)\n")
    assert "no space left in /x" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "Could not resolve 'deb.debian.org'",
        "Temporary failure resolving 'deb.debian.org'",
        "Something wicked happened resolving 'm:http' (-5 - No address associated with hostname)",
        "Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)",
        "Could not connect to m:80 (192.0.2.1), connection timed out",
        "Cannot initiate the connection to m:80 (2001:db8::1). - connect (101: Network is unreachable)",
        "Unable to connect to m:http: [IP: 192.0.2.1 80]",
        "Connection timed out [IP: 192.0.2.1 80]",
        "Connection failed [IP: 192.0.2.1 80]",
        "Error reading from server. Remote end closed connection [IP: 192.0.2.1 80]",
        "Error reading from server - read (104: Connection reset by peer) [IP: 192.0.2.1 80]",
        "Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.",
        "Could not handshake: Error in the pull function. [IP: 192.0.2.1 443]",
        "503  Service Unavailable [IP: 192.0.2.1 80]",
        "407  Proxy Authentication Required [IP: 192.0.2.1 3128]",
    ],
)
def test_what_no_network_looks_like(failing: Archive, said: str) -> None:
    text = (
        f"E: Failed to fetch http://m/debian/dists/bookworm/InRelease  {said}\nE: Some index files failed to download."
    )
    error = failing._failure(text)
    assert isinstance(error, NetworkGone) and str(error).startswith("the package archive cannot be reached: ")
    assert said in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "The method driver /usr/lib/apt/methods/https could not be found.",
        "Could not get lock /x/state/lists/lock. It is held by process 7 (apt-get)",
        "Problem with MergeList /x/state/lists/m_debian_dists_bookworm_main_binary-amd64_Packages",
        "Can't find a source to download version '6.12.1-1' of 'linux-image-6.12.1:amd64'",
        "Could not open file /x/debs/partial/p.deb - open (13: Permission denied)",
        "Failed to fetch http://proxy.example/debian/pool/p_503.deb  Read error - read (5: Input/output error)",
    ],
)
def test_an_error_of_apt_s_own_is_not_the_network_s(failing: Archive, said: str) -> None:
    """Or a newer kernel that cannot be had for it would be an older one that is in the store."""
    error = failing._failure(f"E: {said}\n")
    assert not isinstance(error, NetworkGone)
    assert str(error) == f"apt failed: {said}"
