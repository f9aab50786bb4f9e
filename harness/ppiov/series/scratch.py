# SPDX-License-Identifier: GPL-2.0-only
"""The scratch repository in which a series is applied: it shares the objects of the user's, which is only read.

The user's work tree, index, refs and configuration stay as they are, whatever happens here; none of the user's hooks,
filters or git settings is in force. What is made of the same mails on the same base are the same commits.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ppiov import child, worktree
from ppiov.errors import DiskFull, UnfitKernel
from ppiov.events import Event, StageBegun, StageEnded
from ppiov.series.mails import Mail
from ppiov.series.patch import Patch, Touched, addresses
from ppiov.store import Store, digest

KIND = "series"  # of the store: a folder for each repository
_IDENTITY = {"GIT_COMMITTER_NAME": "ppiov", "GIT_COMMITTER_EMAIL": "ppiov@localhost"}
_OWN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


class GitFailed(Exception):
    """git said no; its words."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A repository of the store's own. Whoever uses it holds its lock."""

    top: Path  # the user's
    folder: Path  # in the store
    store: Store

    @property
    def source(self) -> Path:
        return self.folder / "source"

    def git(self, *args: str | Path, stdin: bytes = b"") -> bytes:
        """Run git there; raises GitFailed with what it says, DiskFull."""
        return run_git(self.source, *args, stdin=stdin)

    def text(self, *args: str | Path) -> str:
        return self.git(*args).decode(errors="replace")

    def blob(self, commit: str, path: str) -> bytes | None:
        """The content of a file at a commit; None where there is none. No link is followed."""
        try:
            return self.git("cat-file", "blob", f"{commit}:{path}")
        except GitFailed:
            return None

    def id_of(self, commit: str, path: str) -> str:
        """The id of a file or folder at a commit, or ""."""
        try:
            return self.text("rev-parse", "--verify", "--quiet", f"{commit}:{path}").strip()
        except GitFailed:
            return ""

    def at(self, commit: str) -> Generator[Event, None, Path]:
        """The folder with the files of ``commit``; raises UnfitKernel, DiskFull."""
        head = self.source / ".git/HEAD"
        there = (self.source / "Makefile").is_file()
        if not there or self._unsettled.exists() or head.read_text().strip() != commit:
            if not there:
                yield StageBegun("source", f"check out {commit[:12]}")
            with self.changing(), self.store.room(self.folder, "the files of a series"):
                worktree.check_out(self.source, self.top, commit, commit[:12], self.store)
            if not there:
                yield StageEnded("source")
        return self.source

    @property
    def _unsettled(self) -> Path:
        return self.folder / "unsettled"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While files change, HEAD does not say what they are; if that is cut short, the next :meth:`at` mends them."""
        self._unsettled.touch()
        yield
        self._unsettled.unlink()

    def apply(self, mail: Mail, onto: str) -> str:
        """Apply a mail with what ``git am`` is made of, and return the new commit. Raises GitFailed, DiskFull.

        Nothing is checked out for it: the patch goes into an index of its own. git refuses paths that leave the tree,
        lead through a symbolic link or into .git.
        """
        index = self.folder / "apply.index"
        index.unlink(missing_ok=True)
        env = {"GIT_INDEX_FILE": str(index)}
        message, diff = self.folder / "apply.message", self.folder / "apply.diff"
        told = run_git(self.source, "mailinfo", "-b", "--encoding=UTF-8", message, diff, stdin=mail.raw).decode(
            errors="replace"
        )
        fields = dict(line.partition(": ")[::2] for line in told.splitlines() if ": " in line)
        run_git(self.source, "read-tree", onto, env=env)
        run_git(self.source, "apply", "--cached", "--whitespace=nowarn", "--", diff, env=env)
        tree = run_git(self.source, "write-tree", env=env).decode().strip()
        index.unlink(missing_ok=True)
        when = fields.get("Date", "")
        author = {
            "GIT_AUTHOR_NAME": fields.get("Author", "nobody"),
            "GIT_AUTHOR_EMAIL": fields.get("Email", ""),
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
        }
        text = f"{mail.subject}\n\n{message.read_bytes().decode(errors='replace')}".encode()
        cleaned = run_git(self.source, "stripspace", stdin=text)
        try:
            done = run_git(self.source, "commit-tree", tree, "-p", onto, stdin=cleaned, env=_IDENTITY | author)
        except GitFailed:  # a date that git does not take
            author |= {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
            done = run_git(self.source, "commit-tree", tree, "-p", onto, stdin=cleaned, env=_IDENTITY | author)
        return done.decode().strip()

    def patch(self, commit: str, number: int, *, mail: Mail | None = None) -> Patch:
        """What there is to know about a commit as a patch."""
        shown = self.text("show", "-s", "--format=%T%x00%P%x00%an <%ae>%x00%cn <%ce>%x00%s%x00%b", commit)
        tree, parent, author, committer, subject, body = (part.strip("\n") for part in shown.split("\0"))
        text = self.text("format-patch", "--stdout", "-1", "--no-signature", "--zero-commit", "--no-base", commit)
        identity = self.git("patch-id", "--stable", stdin=text.encode("utf-8", "replace")).decode().split()
        tags = [line.partition(":")[2] for line in body.splitlines() if line.lower().startswith("cc:")]
        return Patch(
            number=number,
            subject=subject,
            prefix=mail.prefix if mail else (),
            body=body,
            author=author,
            committer="" if mail else committer,
            commit=commit,
            parent=parent,
            tree=tree,
            parent_tree=self.text("rev-parse", f"{parent}^{{tree}}").strip(),
            patch_id=identity[0] if identity else digest([text]),
            touched=self.touched(parent, commit),
            text=text,
            recipients=addresses(*tags) + (mail.recipients if mail else ()),
        )

    def touched(self, before: str, after: str) -> tuple[Touched, ...]:
        """The files that differ between two commits."""
        raw = self.git("diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", before, after).split(b"\0")
        found, at = [], 0
        while at < len(raw) - 1:
            _, mode, _, _, status = raw[at].decode().split(" ")
            letter = status[0]
            old = os.fsdecode(raw[at + 1])
            new = os.fsdecode(raw[at + 2]) if letter in "RC" else old
            at += 3 if letter in "RC" else 2
            found.append(Touched(new, letter, mode, "" if letter == "A" else old))
        return tuple(found)


def open_for(top: Path, store: Store) -> Scratch:
    """The scratch repository of the user's repository at ``top``; made if it is not there, but nothing checked out."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in top.name).lstrip(".-")
    folder = store.dir(KIND) / f"{name or 'tree'}-{digest([os.fsencode(top.resolve())])}"
    scratch = Scratch(top, folder, store)
    with store.room(folder, "a scratch repository"):
        scratch.source.mkdir(parents=True, exist_ok=True)
        code, objects, err = worktree.git(top, "rev-parse", "--path-format=absolute", "--git-path", "objects")
        if code:
            raise UnfitKernel(f"{top} is not a git repository: {(err.strip().splitlines() or ['git failed'])[0]}")
        if not (scratch.source / ".git").is_dir():
            run_git(scratch.source, "init", "--quiet", "--template=", ".")
        (scratch.source / ".git/objects/info").mkdir(exist_ok=True)
        (scratch.source / ".git/objects/info/alternates").write_text(objects)
    return scratch


def run_git(folder: Path, *args: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    """Run git without anybody's settings, hooks or filters. Raises GitFailed with what it says, DiskFull."""
    unset = [word for name in worktree.CLEAN for word in ("-u", name)]
    settings = ("-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "gc.auto=0")
    command: Sequence[str | Path] = [
        "env",
        *unset,
        *(f"{k}={v}" for k, v in (env or {}).items()),
        "git",
        *settings,
        *args,
    ]
    with child.child(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=_OWN
    ) as process:
        out, err = process.communicate(stdin)
    if process.returncode:
        said = err.decode(errors="replace").strip()
        if "No space left" in said:
            raise DiskFull(f"no space left in {folder}")
        raise GitFailed(said or f"git {args[0]} failed")
    return out
