"""The page's secret, passwords and one-time links, kept in one file beside the store.

The daemon and `sniffer page` are two processes: the file is what they share. It holds no password, only its scrypt
hash. A link is signed with the file's secret, so the command can make one while the daemon runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sniffer.errors import ConfigError

#: The name of the file in the folder of the store.
FILE_NAME = "page.json"
#: scrypt's cost: 16 MiB and some 50 ms on a laptop (RFC 7914, section 2; OWASP's minimum for interactive use).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 14, 8, 1
#: Seconds for which a one-time link can be used.
LINK_SECONDS = 24 * 3600
#: Shorter passwords are refused.
MIN_PASSWORD = 8
MAX_PASSWORD = 1024


class Role(StrEnum):
    """What a reader of the page may do: look; or look, answer and change."""

    LOOK = "look"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Keys:
    """The content of the file. `passwords` are hashes by role."""

    secret: bytes
    passwords: dict[str, str] = field(default_factory=dict)


def keys_path(store: Path) -> Path:
    """Where the keys of a daemon with this store are."""
    return store.with_name(FILE_NAME)


def read_keys(path: Path) -> Keys:
    """The keys in a file. Raises ConfigError where it is missing, unreadable or not ours."""
    try:
        value = json.loads(path.read_bytes())
        passwords = {str(role): str(text) for role, text in value.get("passwords", {}).items()}
        return Keys(bytes.fromhex(value["secret"]), passwords)
    except FileNotFoundError:
        raise ConfigError("does not exist yet; `sniffer run` makes it", file=path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("is damaged; delete it, and set passwords again", file=path) from None


def make_keys(path: Path) -> tuple[Keys, bool]:
    """The keys in a file, and whether they were made just now. Raises ConfigError."""
    if path.exists():
        return read_keys(path), False
    keys = Keys(secrets.token_bytes(32))
    write_keys(path, keys)
    return keys, True


def write_keys(path: Path, keys: Keys) -> None:
    """Replace the file in one step; its owner stays, and only the owner can read it. Raises ConfigError."""
    half = path.with_name(f"{path.name}.part")
    text = json.dumps({"secret": keys.secret.hex(), "passwords": keys.passwords})
    try:
        owner = (path if path.exists() else path.parent).stat()
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            with contextlib.suppress(OSError):  # root keeps the owner; another user owns it anyway
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=path) from None


def hash_password(password: str, salt: bytes | None = None) -> str:
    """The scrypt hash of a password, with its parameters. Raises ConfigError where it is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ConfigError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    salt = secrets.token_bytes(16) if salt is None else salt
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${salt.hex()}${digest.hex()}"


def password_matches(password: str, hashed: str) -> bool:
    """Whether a password has this hash; False where the hash cannot be read."""
    try:
        name, n, r, p, salt, digest = hashed.split("$")
        if name != "scrypt" or int(n) * int(r) > SCRYPT_N * SCRYPT_R * 4:
            return False
        found = _scrypt(password[: MAX_PASSWORD + 1], bytes.fromhex(salt), int(n), int(r), int(p))
        return hmac.compare_digest(found, bytes.fromhex(digest))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32
    )


def make_link(keys: Keys, role: Role, now_s: int, seconds: int = LINK_SECONDS) -> str:
    """The token of a link that signs one browser in, once, within `seconds`."""
    body = f"{now_s + seconds:x}-{secrets.token_hex(8)}-{role[0]}"
    return f"{body}-{_signature(keys, 'link', body)}"


def open_link(keys: Keys, token: str, now_s: int) -> tuple[Role, str, int] | None:
    """Role, number and expiry (epoch seconds) of a link; None where it is forged or too old."""
    body, _, signature = token.rpartition("-")
    if not hmac.compare_digest(_signature(keys, "link", body).encode(), signature.encode("utf-8", "replace")):
        return None
    expiry, number, role = body.split("-")
    if int(expiry, 16) < now_s:
        return None
    return (Role.CHANGE if role == Role.CHANGE[0] else Role.LOOK), number, int(expiry, 16)


def form_token(keys: Keys, session: str) -> str:
    """What a form carries so that only a page of ours can send it (against forged requests of other sites)."""
    return _signature(keys, "form", session)


def _signature(keys: Keys, purpose: str, text: str) -> str:
    return hmac.new(keys.secret, f"{purpose}:{text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]
