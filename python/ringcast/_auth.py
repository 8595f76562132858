"""Whose tokens an embedded engine takes."""

import os
from collections.abc import Sequence

from ._errors import ValidationError

__all__ = ["JWT"]


class JWT:
    """Tokens are verified by one HMAC secret of 32 octets or more, or by public keys (PEM texts or
    paths of PEM files). `sub` is the user; `rooms` grants what it may do."""

    __slots__ = ("audience", "issuer", "public_keys", "secret")

    def __init__(
        self,
        *,
        secret: str = "",
        public_keys: Sequence[str] = (),
        audience: str = "",
        issuer: str = "",
    ) -> None:
        if not secret and not public_keys:
            raise ValidationError.of({"secret": "give a secret, or public_keys"})
        self.secret = secret
        self.public_keys = tuple(public_keys)
        self.audience = audience
        self.issuer = issuer

    @classmethod
    def from_env(cls) -> "JWT":
        """From RINGCAST_AUTH_HS256_SECRET, _PUBLIC_KEYS (separated by commas), _AUDIENCE and
        _ISSUER."""
        read = {
            name: os.environ.get(f"RINGCAST_AUTH_{name}", "")
            for name in ("HS256_SECRET", "PUBLIC_KEYS", "AUDIENCE", "ISSUER")
        }
        if not read["HS256_SECRET"] and not read["PUBLIC_KEYS"]:
            raise ValidationError.of(
                {"RINGCAST_AUTH_HS256_SECRET": "is not set, nor is RINGCAST_AUTH_PUBLIC_KEYS"}
            )
        return cls(
            secret=read["HS256_SECRET"],
            public_keys=[key for key in read["PUBLIC_KEYS"].split(",") if key],
            audience=read["AUDIENCE"],
            issuer=read["ISSUER"],
        )

    def settings(self) -> dict[str, object]:
        known: dict[str, object] = {
            "auth.hs256_secret": self.secret,
            "auth.public_keys": self.public_keys,
            "auth.audience": self.audience,
            "auth.issuer": self.issuer,
        }
        return {key: value for key, value in known.items() if value}

    def __repr__(self) -> str:
        return f"JWT(audience={self.audience!r}, issuer={self.issuer!r})"
