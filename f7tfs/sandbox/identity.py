"""Names and numbers of users and groups: this process's own appear as the cluster's user and group."""

from __future__ import annotations

import grp
import os
import pwd
from functools import lru_cache

from f7tfs.sandbox.settings import SandboxSettings


@lru_cache(maxsize=1024)
def _user_of_machine(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=1024)
def _group_of_machine(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


class Identity:
    """Maps the owner of a file on this machine to the one shown, and names to ids."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._real_uid = os.getuid()
        self._real_gid = os.getgid()

    def uid(self, real: int) -> int:
        return self._settings.uid if real == self._real_uid else real

    def gid(self, real: int) -> int:
        return self._settings.gid if real == self._real_gid else real

    def user(self, real: int) -> str:
        if real == self._real_uid:
            return self._settings.user
        return self._settings.more_users.get(real) or _user_of_machine(real)

    def group(self, real: int) -> str:
        if real == self._real_gid:
            return self._settings.group
        return self._settings.more_groups.get(real) or _group_of_machine(real)

    @property
    def groups(self) -> dict[int, str]:
        """gid -> name of the user's groups, the primary one first."""
        return {self._settings.gid: self._settings.group, **self._settings.more_groups}

    def is_self(self, user: str) -> bool:
        return user in {self._settings.user, str(self._settings.uid)}

    def known_user(self, user: str) -> bool:
        if self.is_self(user) or user.isdecimal() or user in self._settings.more_users.values():
            return True
        try:
            pwd.getpwnam(user)
        except KeyError:
            return False
        return True

    def real_gid(self, group: str) -> int | None:
        """The gid on this machine of a group that the user belongs to, by name or number; else None."""
        for gid, name in self.groups.items():
            if group in {name, str(gid)}:
                return self._real_gid if gid == self._settings.gid else gid
        return None

    def known_group(self, group: str) -> bool:
        if group.isdecimal() or self.real_gid(group) is not None:
            return True
        try:
            grp.getgrnam(group)
        except KeyError:
            return False
        return True
