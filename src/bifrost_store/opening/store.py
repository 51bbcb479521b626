"""Opens a store from the settings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import BackendFactory, configured_backends, place_of
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.publishing import Publisher
from bifrost_store.documents import SPECS
from bifrost_store.opening.blocks import async_block
from bifrost_store.opening.late_recorder import LateRecorder
from bifrost_store.opening.secrets import open_secrets
from bifrost_store.routing.flag import BackendFlag, MetricsFlag, RealtimeFlag
from bifrost_store.routing.router import RoutedBackend
from bifrost_store.routing.timing import Timing
from bifrost_store.secrets.protocol import SecretStore
from bifrost_store.secrets.remembered import RememberedSecrets
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store
from bifrost_store.wrappers.observe import ObservedBackend, ObservedBlobStore
from bifrost_store.wrappers.observer import Observer
from bifrost_store.wrappers.pass_through import PassThrough

if TYPE_CHECKING:
    from openfeature.client import OpenFeatureClient

    from bifrost_store.recording.recorder import ProcessRecorder


@async_block
async def open_store(
    settings: StoreSettings | None = None,
    *,
    backend: Backend | None = None,
    flags: OpenFeatureClient | None = None,
    publisher: Publisher | None = None,
    secrets: SecretStore | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[Store]:
    """Open the store and close it at the end of the block. Nothing is connected to before the first call.

    Args:
        settings: By default those of the environment.
        backend: Answers for every scope in place of what settings and flags name: an object of yours that keeps to the Protocol of
            `bifrost_store.backends.protocol`. Whoever made it closes it. Payload blobs go where the settings say.
        flags: Client of the application's OpenFeature provider, whose flag ``bifrost-store-backend`` is evaluated at every call,
            per scope, ``bifrost-store-realtime`` for every recording, and ``bifrost-store-metrics`` for every dashboard.
            Without one the settings decide.
        publisher: Is told of what recordings of this process have stored; by default, where the settings name an Azure SignalR
            Service, what tells its clients.
        secrets: Where the secrets are that settings and OAuth connections name; by default in the Azure Key Vault of the settings,
            else in the environment. Whoever made it closes it.
        clock: Tells the time.

    Raises:
        ConfigurationError: A setting is missing, unknown or malformed.
    """
    settings = settings or StoreSettings.from_environment()
    days = settings.execution_retention_days
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, clock, stack)
        if backend is None:
            flag = BackendFlag(settings.backend, flags)
            names = [settings.backend] if flags is None else configured_backends(settings) or [settings.backend]
        else:
            flag, names = BackendFlag(backend.name, own=True), [backend.name]
        given = None if backend is None else Lent(backend)
        observer = Observer(clock)
        routed = RoutedBackend(
            flag,
            names,
            lambda name: ObservedBackend(given or factory.backend(name), observer),
            lambda name: ObservedBlobStore(factory.blobs(name), name, observer),
            SPECS,
            can_open=settings.is_configured if given is None else (lambda _: True),
            timing=Timing().scaled(settings.lease_seconds / Timing().lease),
            shadow_share=settings.shadow_reads,
            recorded=factory.recorded,
        )
        stack.push_async_callback(routed.aclose)
        retention = None if days is None else timedelta(days=days)
        realtime = RealtimeFlag(settings.realtime == "on", flags)
        if publisher is None and settings.signalr_connection_string is not None:
            publisher = await _publisher_of(settings, clock, stack)
        loop, process = asyncio.get_running_loop(), os.getpid()

        def make_recorder() -> ProcessRecorder:
            from bifrost_store.opening.recorder import make_recorder as make  # noqa: PLC0415 - for those who record

            # A child process that was forked has no publisher.
            told = publisher if os.getpid() == process else None
            is_on = realtime.is_on
            return make(settings, routed, is_on, observer, clock=clock, retention=retention, publisher=told, loop=loop)

        recorder = LateRecorder(make_recorder)
        stack.push_async_callback(recorder.aclose)
        remembered = RememberedSecrets(secrets or open_secrets(settings, stack), seconds=settings.secret_cache_seconds)
        places = names if given else [place_of(settings, name) for name in names]
        yield Store(
            routed,
            clock=clock,
            observer=observer,
            recorder=recorder,
            is_realtime=realtime.is_on,
            metrics_mode=MetricsFlag(settings.metrics, flags).mode_of,
            retention=retention,
            secrets=remembered,
            places=places,
            stack=stack,
        )


class Lent(PassThrough):
    """A backend that whoever made it closes."""

    @override
    async def aclose(self) -> None:
        pass


async def _publisher_of(settings: StoreSettings, clock: Clock, stack: AsyncExitStack) -> Publisher:
    # Needs an extra, which only those have to install who name a service.
    from bifrost_store.opening.signalr import open_signalr  # noqa: PLC0415
    from bifrost_store.realtime import RunPublisher  # noqa: PLC0415

    publisher = RunPublisher(await stack.enter_async_context(open_signalr(settings)), clock=clock)
    stack.push_async_callback(publisher.aclose)
    return publisher
