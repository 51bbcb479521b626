"""``console``: the page where runs are watched."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from bifrost_store.cli.output import run, talk
from bifrost_store.errors import ConfigurationError, MissingDependencyError

_EXTRA = "bifrost-store[console]"


def console(
    *,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address only; open no browser.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A host name beside the local ones by which browsers reach the console."),
    ] = None,
    trust_proxy: Annotated[
        bool,
        typer.Option(
            "--trust-proxy", help="Believe the headers of a proxy that knows the secret BIFROST_STORE_CONSOLE_PROXY_SECRET."
        ),
    ] = False,
) -> None:
    """Serve the page where runs are watched, and print its address; Ctrl-C ends it."""
    from bifrost_store.settings import StoreSettings

    check_libraries()
    from bifrost_store.console.serving import serve

    settings = StoreSettings.from_environment()
    secret = settings.console_proxy_secret
    if trust_proxy and secret is None:
        raise ConfigurationError("--trust-proxy needs the secret that the proxy sends: set BIFROST_STORE_CONSOLE_PROXY_SECRET")

    def tell(address: str, _: object) -> None:
        print(address, flush=True)  # noqa: T201 - data goes to stdout
        talk.print("Whoever has this address sees every run. Ctrl-C ends the console.", style="dim")
        if not no_open:
            webbrowser.open(address)

    async def work() -> None:
        await serve(
            settings,
            host=host,
            port=port,
            allowed_hosts=allow_host or (),
            proxy_secret=secret.get_secret_value() if trust_proxy and secret else None,
            on_ready=tell,
        )

    run(work)
    raise KeyboardInterrupt  # nothing else ends it


def check_libraries() -> None:
    """Refuse to go on without the libraries of the console, an extra.

    Raises:
        MissingDependencyError: One is missing.
    """
    try:
        import bifrost_store.console.serving  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"the console needs {error.name}: pip install '{_EXTRA}'") from error
