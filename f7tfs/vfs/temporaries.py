"""Names that editors and tools give to files which they are about to rename or remove."""

from __future__ import annotations

import re

# (pattern, who makes such names); docs/reference/temporaries.md is checked against this table by a test.
TEMPORARIES: tuple[tuple[str, str], ...] = (
    (r"\..+\.sw[a-px]", "vim and nano swap files"),
    (r"4913", "vim's test whether it may create files"),
    (r".+~", "backups of vim, nano and emacs"),
    (r"#.+#", "emacs auto-save files"),
    (r"sed[A-Za-z0-9]{6}", "sed -i"),
    (r"\..+\.[A-Za-z0-9]{6}", "rsync"),
    (r".+\.lock", "git locks"),
    (r"tmp_(obj|pack|idx|rev|bitmap|mtimes)_[A-Za-z0-9]{6}", "git objects and packs"),
    (r".+\.(tmp|part|partial|crdownload)", "programs that save beside and rename"),
)

_PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern, _ in TEMPORARIES), re.DOTALL)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is likely to be renamed or removed in a moment."""
    return _PATTERN.fullmatch(name) is not None
