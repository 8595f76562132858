"""python -m ringcast: what is written in Python. All other commands are the program `ringcast`."""

import argparse
import sys
from collections.abc import Sequence

from . import _run

_RUN = """\
One ringcastd, and uvicorn with its workers, for development and small deployments. ringcastd serves
the workers on a unix socket in a private folder, with a key made for this run: they have both in
RINGCAST_URL and RINGCAST_API_KEY, which Engine.attach() and Publisher() without arguments read.
Browsers and apps connect to ringcastd's address.
"""
_MORE = """\
SIGTERM and SIGINT end uvicorn, then ringcastd; the exit code is uvicorn's. When ringcastd ends by
itself, uvicorn is stopped, and the exit code is 1.

FILE and RINGCAST_ variables hold for ringcastd as for `ringcastd serve`, but listen.unix is this
run's, and auth.api_keys are this run's and those of RINGCAST_AUTH_API_KEYS.

example: RINGCAST_AUTH_ALLOW_ANONYMOUS=true python -m ringcast run app:app -- --reload
"""


def main(arguments: Sequence[str]) -> int:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    given = _parser().parse_args(arguments[:at])

    def flags(*names: str) -> list[str]:
        values = ((name, getattr(given, name)) for name in names)
        return [f"--{name}={value}" for name, value in values if value is not None]

    uvicorn = [given.app, *flags("host", "port", "workers"), *arguments[at + 1 :]]
    return _run.run(flags("config", "listen"), uvicorn)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m ringcast", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        usage="%(prog)s APP [OPTION...] [-- UVICORN_OPTION...]",
        help="an ASGI application under uvicorn, and one ringcastd for all of its workers",
        description=_RUN,
        epilog=_MORE,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("app", metavar="APP", help="module:attribute, as for uvicorn")
    run.add_argument("--workers", metavar="N", type=int, help="uvicorn's processes")
    run.add_argument("--host", help="uvicorn's address (else what uvicorn takes)")
    run.add_argument("--port", type=int, help="uvicorn's port (else what uvicorn takes)")
    run.add_argument(
        "--listen", metavar="HOST:PORT", help="ringcastd's address (else FILE's, or 127.0.0.1:8800)"
    )
    run.add_argument("--config", metavar="FILE", help="ringcastd's configuration")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
