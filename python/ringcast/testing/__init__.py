"""Tests of what you build on Ringcast: an engine of their own, clients, faults, a clock.

The fixtures are there as soon as ringcast is installed beside pytest (`rc_engine`, `rc_client`,
`published`, `rc_clock`, `rc_settings`, `rc_isolated`); this module has what they are made of.
"""

from ._clients import Frame, SseClient, WebSocketClient
from ._clock import Clock
from ._isolated import Isolated, Seen, token
from ._leaks import LeakError

__all__ = [
    "Clock",
    "Frame",
    "Isolated",
    "LeakError",
    "Seen",
    "SseClient",
    "WebSocketClient",
    "token",
]
