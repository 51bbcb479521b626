"""What one client, one user and all of them may use of a hub."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a hub, each for one process. Whoever passes one is told why, and counted; others notice nothing."""

    message_bytes: int = 32 * 1024
    """The largest frame that a client may send; a client that sends more is closed. As ASP.NET Core's default."""

    sent_message_bytes: int = 1_000_000
    """The largest message that may be sent to clients; as Azure SignalR Service, which takes bodies of up to 1 MB."""

    connections: int = 5_000
    """Clients at a time; further ones are told so when they negotiate."""

    connections_per_user: int = 30
    """Clients of one user at a time, which are tabs of browsers, for example; further ones are told so."""

    groups_per_connection: int = 100
    """Groups that one client may be in."""

    messages_per_second: float = 50
    """Records that a client may send, invocations and pings alike, over time; one that sends more is closed."""

    burst_messages: int = 100
    """Records that a client may send at once."""

    waiting_invocations: int = 50
    """Invocations of one client that wait for their turn; they run one after another. A client with more is closed."""

    handshake_seconds: float = 15
    """Time for the handshake after a connection was opened; as ASP.NET Core's default."""

    keep_alive_seconds: float = 15
    """A ping is sent to a client after so long without another message. Clients give up after 30 s by default."""

    silent_seconds: float = 30
    """A client that sent nothing for so long, or did not poll, is closed. Clients ping every 15 s by default."""

    queue_bytes: int = 2_000_000
    """What may wait to be sent to one client. Beyond that its queue is replaced by one ``resync``."""

    queue_messages: int = 5_000
    """As ``queue_bytes``, in messages."""

    frame_bytes: int = 128 * 1024
    """Messages that wait for the same client are sent together up to this size."""

    ticket_seconds: float = 60
    """How long a negotiated ticket may be used to connect."""

    connection_seconds: float = 3_600
    """The longest time that a connection lasts; it ends earlier if its authentication does. Clients may reconnect."""

    poll_seconds: float = 90
    """How long a poll of a client without WebSockets waits for messages; as ASP.NET Core's default."""

    close_seconds: float = 5
    """How long a client that is closed gets to take what was sent to it."""

    def __post_init__(self) -> None:
        wrong = [name for name, value in vars(self).items() if not value > 0]
        if wrong:
            raise ValueError(f"limits must be above 0: {', '.join(wrong)}")
        if self.queue_bytes < self.sent_message_bytes:
            raise ValueError("queue_bytes must be at least sent_message_bytes: a queue holds one message at least")
        if self.silent_seconds <= self.keep_alive_seconds:
            raise ValueError("silent_seconds must be above keep_alive_seconds, else clients that live are closed")
