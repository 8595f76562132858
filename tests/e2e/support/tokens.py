"""Tokens and keys as an application's backend makes them."""
import time

from .http_client import Closed
from .waiting import DEADLINE_S

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "e2e-secret-of-more-than-thirty-two-octets"


def while_it_lasts(use, refusals):
    """use(ttl_s) with the shortest life of a token that this machine is fast enough for: `refusals` and
    the end of a connection say that it was over before all was done."""
    ttl_s = 2
    while ttl_s < DEADLINE_S:
        try:
            return use(ttl_s)
        except (*refusals, Closed, OSError):
            ttl_s *= 2
    raise AssertionError("no token lasted long enough")


def make_key(algorithm):
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    assert algorithm == "EdDSA", algorithm
    return ed25519.Ed25519PrivateKey.generate()


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def make_token(user="alice", subscribe=("*",), publish=(), presence=(), ttl_s=3600,
               key=SECRET, algorithm="HS256", **claims):
    """`ttl_s` None: without exp; `claims` are added, None takes one out."""
    body = {"sub": user, "rooms": {"subscribe": list(subscribe), "publish": list(publish),
                                   "presence": list(presence)}}
    if ttl_s is not None:
        body["exp"] = time.time() + ttl_s if isinstance(ttl_s, float) else int(time.time()) + ttl_s
    body.update(claims)
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key, algorithm=algorithm)
