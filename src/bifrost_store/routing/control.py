"""The control document: where each scope's data goes, one copy in each store. Rules D1 to D3 of the hand-over protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from bifrost_store.core.json import dump_loaded
from bifrost_store.core.record import Body
from bifrost_store.core.retention import Retention, agreed
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import MAX_REVISION
from bifrost_store.errors import CorruptDocumentError

EVERY_SCOPE: Final = "*"
"""The route key of all scopes that have none of their own."""
MAX_EPOCH: Final = MAX_REVISION // 2
"""A stored one is at most that: after it there is room for all that are to come, and no migration gets as far."""

MoveKind = Literal["start", "cutover", "rollback", "abandon", "finish"]


class _Value(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Route(_Value):
    """Where one scope's data goes.

    Attributes:
        primary: Name of the backend that answers.
        secondary: Name of the backend that is told of every write, or None.
        epoch: Counts the hand-overs of all scopes: higher is newer. 0 until the first.
    """

    primary: str
    secondary: str | None = None
    epoch: int = Field(default=0, ge=0)


class Target(_Value):
    """What a move makes of its routes; their epoch is set by the commit."""

    primary: str
    secondary: str | None = None


class Move(_Value):
    """A hand-over under way.

    Attributes:
        attempt: Fresh for every announcement; what leases acknowledge.
        kind: The phase it belongs to, for people.
        keys: The route keys that move; all have the same route now.
        target: Where to.
        stage: ``announced``: everybody watches closely; ``prepared``: nobody begins anything in these scopes.
    """

    attempt: str
    kind: MoveKind
    keys: tuple[str, ...]
    target: Target
    stage: Literal["announced", "prepared"] = "announced"


class Control(_Value):
    """One copy of the control document.

    Attributes:
        schema_version: Shape of the document.
        migration_id: Made by ``start``; the same in both copies.
        store: The backend that this copy lies in.
        routes: By route key: an exact scope, or `EVERY_SCOPE`, which is always there.
        move: The hand-over under way whose source is this store, if there is one.
        finished: The migration is over: what the flag says must agree from here on.
        disowned: Stores that were given up, by ``--force`` until `start` takes them up again, or by ``finish`` for good: what lies
            there counts for nothing.
        retention: Of what the old application wrote, recorded by ``start``; None: that stays for good.
    """

    schema_version: Literal[1] = 1
    migration_id: str
    store: str
    routes: Mapping[str, Route]
    move: Move | None = None
    finished: bool = False
    disowned: tuple[str, ...] = ()
    retention: Retention | None = None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the document that a stored *body* is.

        Raises:
            CorruptDocumentError: It is none of this version. Nothing is guessed: writes would go to the wrong store.
        """
        try:
            control = cls.model_validate_json(dump_loaded(dict(body)))
        except ValidationError as error:
            raise CorruptDocumentError(f"the control document cannot be read: {problems_of(error)}") from error
        if EVERY_SCOPE not in control.routes:
            raise CorruptDocumentError("the control document cannot be read: it has no route for every scope")
        if control.highest_epoch > MAX_EPOCH:
            raise CorruptDocumentError("the control document cannot be read: no migration has so high an epoch")
        return control

    def body(self) -> Body:
        """Return the body to be stored; processes of an earlier release read it where nothing is disowned, and nothing retained."""
        later = {"disowned": self.disowned, "retention": self.retention}
        return self.model_dump(mode="json", by_alias=True, exclude={name for name, value in later.items() if not value})

    def key_of(self, scope: Scope) -> str:
        """Return the route key that *scope* follows here."""
        return scope.value if scope.value in self.routes else EVERY_SCOPE

    def route_of(self, scope: Scope) -> Route:
        """Return where *scope*'s data goes according to this copy."""
        return self.route(scope.value)

    def route(self, key: str) -> Route:
        """Return the route of a route key; one that has none here follows `EVERY_SCOPE`."""
        return self.routes.get(key) or self.routes[EVERY_SCOPE]

    @property
    def stores(self) -> set[str]:
        """The stores that some scopes have."""
        return {name for route in self.routes.values() for name in (route.primary, route.secondary) if name is not None}

    @property
    def highest_epoch(self) -> int:
        """The epoch of the last commit that this copy knows."""
        return max(route.epoch for route in self.routes.values())

    def is_moving(self, scope: Scope) -> bool:
        """Return whether the move under way, if any, is about *scope*: it names its key, or gives it one of its own."""
        return self.move is not None and (self.key_of(scope) in self.move.keys or scope.value in self.move.keys)

    def raised(self, other: Control) -> Control:
        """Return this copy with what *other* knows better (D1, D2): itself if it knows all that *other* does.

        Raises:
            CorruptDocumentError: The copies belong to different migrations.
        """
        if other.migration_id != self.migration_id:
            raise CorruptDocumentError(
                f"the control documents of {self.store} and {other.store} are of different migrations, "
                f"{self.migration_id} and {other.migration_id}: one of the accounts was restored or copied"
            )
        keys = self.routes.keys() | other.routes.keys()
        newer = {key: other.route(key) for key in keys if other.route(key).epoch > self.route(key).epoch}
        better = {"finished": self.finished or other.finished, "retention": agreed(self.retention, other.retention)}
        if not newer and better == {"finished": self.finished, "retention": self.retention}:
            return self
        routes = {key: newer.get(key) or self.route(key) for key in sorted(keys)}
        move = None if newer or better["finished"] != self.finished else self.move
        return self.model_copy(update={"routes": folded(routes), "move": move, **better})

    def committed(self, epoch: int) -> Control:
        """Return this copy after the commit of its move under *epoch*: 1 + the highest epoch of both copies."""
        assert self.move is not None
        target = self.move.target
        moved = {key: Route(primary=target.primary, secondary=target.secondary, epoch=epoch) for key in self.move.keys}
        changes: dict[str, Any] = {"routes": folded({**self.routes, **moved}), "move": None}
        if self.move.kind == "finish":
            left = {name for key in self.move.keys if (name := self.route(key).secondary) is not None}
            changes |= {"finished": True, "disowned": tuple(sorted({*self.disowned, *left}))}
        return self.model_copy(update=changes)


def folded(routes: Mapping[str, Route]) -> dict[str, Route]:
    """Return *routes* without exact keys whose route became that of `EVERY_SCOPE`, at a lower epoch."""
    every = routes[EVERY_SCOPE]

    def is_the_same(route: Route) -> bool:
        return (route.primary, route.secondary) == (every.primary, every.secondary) and route.epoch <= every.epoch

    return {key: route for key, route in routes.items() if key == EVERY_SCOPE or not is_the_same(route)}


def problems_of(error: ValidationError) -> str:
    """Return what is wrong with a stored value, in one line and without the value."""
    found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False, include_input=False)]
    return "; ".join(found[:3])
