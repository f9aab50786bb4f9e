# SPDX-License-Identifier: GPL-2.0-only
"""Patches as mails: an mbox, a single mail, or a folder of either.

git itself splits the mbox, since a line that begins with "From " is no new mail for ``git am`` either, and Python's
mailbox takes it for one. What is in a mail Python's email module says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

from ppiov import child
from ppiov.errors import BadSeries, CrlfPatch, EmptySeries, MissingPatches, TruncatedPatch
from ppiov.series.patch import Cover, addresses, diff_lines

_BRACKETS = re.compile(r"\[(?P<words>[^\]]*\bPATCH\b[^\]]*)\]\s*(?P<subject>.*)", re.IGNORECASE | re.DOTALL)
_COUNT = re.compile(r"(?P<number>\d+)/(?P<total>\d+)")
_VERSION = re.compile(r"v(?P<version>\d+)", re.IGNORECASE)
_DIFF = re.compile(r"^(diff --git |--- \S)", re.MULTILINE)
_FIELD = re.compile(r"^(?P<key>base-commit|change-id): *(?P<value>\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that is a patch or a cover letter."""

    raw: bytes
    place: str  # "x.mbox, mail 3"
    subject: str  # without the brackets
    prefix: tuple[str, ...]  # what else stood in them: ("net-next",)
    version: int
    number: int  # 0: the cover letter
    total: int
    body: str
    recipients: tuple[str, ...]

    @property
    def is_patch(self) -> bool:
        return bool(_DIFF.search(self.body))

    def field(self, key: str) -> str:
        """The value of ``base-commit`` or ``change-id``, or ""."""
        return next((match["value"] for match in _FIELD.finditer(self.body) if match["key"] == key), "")


@dataclass(frozen=True, slots=True)
class Thread:
    """The patches of one version of a series, in order, with its cover letter."""

    patches: tuple[Mail, ...]
    cover: Cover | None
    base: str  # what a mail says its base-commit is, or ""
    change_id: str

    @property
    def first(self) -> Mail:
        return self.patches[0]


def read(path: Path) -> Thread:
    """The newest version of the series in an mbox, a mail, or a folder of them. Answers to patches are left out.

    Raises BadSeries or a kind of it: nothing here, patches missing, a truncated mail, CR LF line ends.
    """
    mails = [mail for mail in _mails(path) if mail is not None]
    if not mails:
        raise EmptySeries(f"{path} holds no mail with [PATCH] in its subject")
    return thread([mail for mail in mails if mail.version == max(mail.version for mail in mails)], str(path))


def thread(mails: Sequence[Mail], name: str) -> Thread:
    """Put the mails in order. Raises what :func:`read` raises."""
    covers = [mail for mail in mails if mail.number == 0 and not mail.is_patch]
    patches = sorted((mail for mail in mails if mail.is_patch), key=lambda mail: mail.number)
    if not patches:
        raise EmptySeries(f"{name} holds no patch")
    for mail in patches:
        _undamaged(mail)
    _whole(patches, name)
    every = [*covers, *patches]
    cover = Cover(covers[0].subject, covers[0].body, covers[0].recipients) if covers else None
    return Thread(
        tuple(patches),
        cover,
        next((found for mail in every if (found := mail.field("base-commit"))), ""),
        next((found for mail in every if (found := mail.field("change-id"))), ""),
    )


def parse(raw: bytes, place: str) -> Mail | None:
    """The mail in ``raw``; None for one that is neither a patch nor a cover letter, such as an answer."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)  # that is what this policy makes
    subject = " ".join(_header(message, "subject").split())
    match = _BRACKETS.match(subject)
    if match is None:
        return None
    words = match["words"].split()
    count = next((found for word in words if (found := _COUNT.fullmatch(word))), None)
    version = next((int(found["version"]) for word in words if (found := _VERSION.fullmatch(word))), 1)
    body = _text(message)
    number = int(count["number"]) if count else (1 if _DIFF.search(body) else 0)
    return Mail(
        raw=raw,
        place=place,
        subject=match["subject"],
        prefix=tuple(
            w for w in words if w.upper() != "PATCH" and not _COUNT.fullmatch(w) and not _VERSION.fullmatch(w)
        ),
        version=version,
        number=number,
        total=int(count["total"]) if count else 1,
        body=body,
        recipients=addresses(_header(message, "to"), _header(message, "cc")),
    )


def _mails(path: Path) -> Iterator[Mail | None]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in (".patch", ".eml", ".mbox", ".mbx"))
        if not files:
            raise EmptySeries(f"{path} has no file called *.patch, *.eml or *.mbox")
    else:
        files = [path]
    for file in files:
        yield from (parse(raw, place) for raw, place in _split(file))


def _split(file: Path) -> list[tuple[bytes, str]]:
    """The mails in a file, and what to call each."""
    if not file.stat().st_size:
        raise EmptySeries(f"{file} is empty: there is no mail in it")
    with TemporaryDirectory(prefix="ppiov-mails-") as folder:
        code, _, err = child.output(["git", "mailsplit", "--keep-cr", "-b", f"-o{folder}", "--", file.absolute()])
        if code:
            raise BadSeries(
                f"{file} cannot be read as mails: {(err.strip().splitlines() or ['git mailsplit failed'])[0]}"
            )
        parts = sorted(Path(folder).iterdir())
        return [(p.read_bytes(), f"{file}, mail {n}" if len(parts) > 1 else str(file)) for n, p in enumerate(parts, 1)]


def _whole(patches: Sequence[Mail], name: str) -> None:
    """Raise MissingPatches unless the numbers are 1 to the total, each once."""
    numbers = [mail.number for mail in patches]
    total = max(mail.total for mail in patches)
    if len(patches) > 1 and all(mail.total == 1 for mail in patches):
        return  # patches that don't count themselves, in the order of the mailbox
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    if twice:
        raise MissingPatches(f"{name} has patch {_list(twice)} of {total} twice")
    missing = sorted(set(range(1, total + 1)) - set(numbers))
    if missing:
        raise MissingPatches(f"{name} has {len(patches)} of {total} patches: {_list(missing)} missing")


def _undamaged(mail: Mail) -> None:
    """Raise TruncatedPatch or CrlfPatch for a patch that its way has damaged."""
    try:
        lines = [line for _, line in diff_lines(mail.body)]
    except EOFError as cut:
        raise TruncatedPatch(f"{mail.place} ends in the middle of a hunk of {str(cut)!r}: it was cut off") from None
    if lines and sum(line.endswith("\r") for line in lines) * 2 > len(lines):
        raise CrlfPatch(f"{mail.place} has CR LF line ends: take the mail as it was sent, or run dos2unix on it")


def _text(message: EmailMessage) -> str:
    """The text of a mail, its parts joined, whatever they were encoded in."""
    texts = []
    for part in message.walk():
        if part.get_content_maintype() == "text":
            payload = part.get_payload(decode=True)
            texts.append(payload.decode("utf-8", "replace") if isinstance(payload, bytes) else "")
    return "\n".join(texts)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return ", ".join(str(value) for value in message.get_all(name, []))
    except (ValueError, IndexError, AttributeError, LookupError):  # what Python's parser makes of some broken headers
        return ""


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
