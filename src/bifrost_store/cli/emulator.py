"""``cosmos-emulator``: a local Cosmos DB server for development and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bifrost_store.errors import MissingDependencyError

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Https = Annotated[bool, typer.Option("--https", help="Speak HTTPS, with a certificate made on the fly.")]
Certificate = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="Write the certificate that vouches for it to this file, as PEM."),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="FILE", help="Keep everything in this file; by default in memory.")]
Partitions = Annotated[int, typer.Option("--partitions", min=1, help="Physical partitions that each container has at least.")]
RuLimit = Annotated[
    float | None,
    typer.Option("--ru-limit", metavar="N", help="Request units a second that a container serves; above it the answer is 429."),
]
Lenient = Annotated[bool, typer.Option("--lenient", help="Serve cross-partition queries directly, and sort without indexes.")]
Serverless = Annotated[bool, typer.Option("--serverless", help="Refuse throughput, as serverless accounts do.")]
Consistency = Annotated[
    str, typer.Option("--consistency", metavar="LEVEL", help="Default consistency of the account; a migration wants Strong.")
]
PublicEndpoint = Annotated[
    str | None, typer.Option("--public-endpoint", metavar="URL", help="Where clients reach it, if not at the address they name.")
]


def cosmos_emulator(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8081,
    https: Https = False,
    certificate: Certificate = None,
    data: Data = None,
    partitions: Partitions = 1,
    ru_limit: RuLimit = None,
    lenient: Lenient = False,
    serverless: Serverless = False,
    consistency: Consistency = "Session",
    public_endpoint: PublicEndpoint = None,
) -> None:
    """Serve Cosmos DB for NoSQL for development and tests; prints one line of JSON when clients may connect."""
    try:
        from bifrost_store.emulator.cli import serve  # its libraries are an extra
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"the emulator needs {error.name}: pip install 'bifrost-store[emulator]'") from error
    code = serve(
        host=host,
        port=port,
        https=https,
        certificate=certificate,
        data=data,
        partitions=partitions,
        ru_limit=ru_limit,
        lenient=lenient,
        serverless=serverless,
        consistency=consistency,
        public_endpoint=public_endpoint,
    )
    if code:
        raise typer.Exit(code)
