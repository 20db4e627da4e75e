"""Accounts and their passwords: argon2id, made here and shown once."""

import secrets
from functools import cache
from typing import Any, get_args

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.rows import tuple_row

from api.access import Role
from governance import audit

_hasher = PasswordHasher()
# No letter or digit that a tired person reads as another.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


class AccountError(Exception):
    """An account cannot be had as asked; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def generate() -> str:
    """Make a password of about 79 bits, in groups that can be read aloud."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def hashed(password: str) -> str:
    """Hash a password for keeping."""
    return _hasher.hash(password)


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe())


def fits(kept: str | None, password: str) -> bool:
    """Say whether a password is the one that was hashed. Slow by design: not on the event loop.

    Where nothing was kept none fits, and finding that out takes as long.
    """
    try:
        return _hasher.verify(kept or _nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def first_administrator(connection: psycopg.Connection[Any]) -> str | None:
    """Make the account `admin` where there is none at all, and give its password to be shown once."""
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        # Two starts at the same moment must not make two.
        cursor.execute("lock table account in share row exclusive mode")
        if cursor.execute("select from account limit 1").fetchone() is not None:
            return None
        password = generate()
        cursor.execute(
            "insert into account (name, password, role) values ('admin', %s, 'administrator')",
            (hashed(password),),
        )
        audit.record(cursor, "cityhub", "account.make", "admin", "done", {"role": "administrator"})
    return password


def create(connection: psycopg.Connection[Any], name: str, role: Role, department: str | None = None) -> str:
    """Make an account, held to a department where one is named, and give its password."""
    if role not in get_args(Role):
        raise AccountError(f"There is no role {role!r}.", f"Choose one of {', '.join(get_args(Role))}.")
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        department_id = None
        if department is not None:
            found = cursor.execute("select id from department where key = %s", (department,)).fetchone()
            if found is None:
                raise AccountError(
                    f"There is no department {department!r}.", "Import its devices first, or leave it out."
                )
            department_id = found[0]
        password = generate()
        made = cursor.execute(
            """
            insert into account (name, password, role, department_id) values (%s, %s, %s, %s)
            on conflict (name) do nothing returning id
            """,
            (name, hashed(password), role, department_id),
        ).fetchone()
        if made is None:
            raise AccountError(f"The name {name!r} is taken.", "Choose another name.")
        audit.record(
            cursor, "cityhub", "account.make", name, "done", {"role": role, "department": department}
        )
    return password


def reset_password(connection: psycopg.Connection[Any], name: str) -> str:
    """Give an account a new password, open its lock and end its sessions; its tokens stay."""
    password = generate()
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(
            "update account set password = %s, failed = 0, locked_until = null where name = %s returning id",
            (hashed(password), name),
        ).fetchone()
        if found is None:
            names = cursor.execute("select name from account order by name limit 10").fetchall()
            known = ", ".join(each for (each,) in names) or "none yet"
            raise AccountError(f"There is no account {name!r}.", f"Accounts: {known}.")
        cursor.execute("delete from session where account_id = %s", (found[0],))
        audit.record(cursor, "cityhub", "account.reset-password", name, "done")
    return password
