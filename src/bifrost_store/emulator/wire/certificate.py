"""A certificate for HTTPS, made on the fly and known to nobody else."""

from __future__ import annotations

import ssl

import trustme


def make_certificate(host: str) -> tuple[ssl.SSLContext, str]:
    """Return what a server needs to speak TLS as *host* and as localhost, and the certificate that vouches for it, as PEM."""
    authority = trustme.CA(organization_name="bifrost-store emulator")
    names = dict.fromkeys([host, "localhost", "127.0.0.1", "::1"])
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        names.pop(host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context, authority.cert_pem.bytes().decode()
