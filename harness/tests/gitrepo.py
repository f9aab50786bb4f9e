# SPDX-License-Identifier: GPL-2.0-only
"""Small git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Repository:
    """A repository in ``folder``; commits get times a minute apart, so that the same steps give the same ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._minutes = 0
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        self._minutes += 1
        when = f"{1_700_000_000 + 60 * self._minutes} +0000"
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in self._who(when)}
        done = subprocess.run(
            ["git", "-C", self.folder, *words], check=True, capture_output=True, text=True, env={**os.environ, **who}
        )
        return done.stdout.strip()

    @staticmethod
    def _who(when: str) -> list[tuple[str, str]]:
        return [("NAME", "A U Thor"), ("EMAIL", "author@example.org"), ("DATE", when)]

    def commit(self, subject: str, **files: str) -> str:
        """Commit files, by default one that nobody else changes; "__" in a name is "/"."""
        for name, text in (files or {subject.replace(" ", "-").replace(":", ""): subject}).items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "--quiet", "-b", name, start)

    def merge(self, name: str, subject: str) -> str:
        """Merge ``name`` into main."""
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "-m", subject, name)
        return self.git("rev-parse", "HEAD")
