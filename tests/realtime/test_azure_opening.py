"""Every connection string that the settings take opens the service, by its key or by an identity; nothing is asked yet."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bifrost_store import StoreSettings
from bifrost_store.errors import ConfigurationError
from bifrost_store.opening.azure_realtime import open_azure_realtime
from bifrost_store.realtime import Principal, TriggerDelivery
from bifrost_store.signalr import SignalRError
from tests.thorough import examples

PARTS = [
    "Endpoint=https://name.service.signalr.net",
    "endpoint = http://localhost:8888/",
    "Endpoint=https://",
    "AccessKey=" + "k" * 40 + "==",
    "AccessKey=",
    " accesskey= ",
    "AuthType=azure.msi",
    "AuthType=other",
    "Port=8888",
    "Port=",
    "Port=99999",
    "Version=1.0",
    "",
    "=",
]
SERVICE = SecretStr("Endpoint=http://localhost:9;AccessKey=" + "k" * 40)


@examples(60)
@given(st.lists(st.sampled_from(PARTS), max_size=6).map(";".join))
def test_what_the_settings_take_opens(text: str) -> None:
    """What could not be used is refused at the start, as a setting; never later as something else."""

    async def negotiate() -> str:
        settings = StoreSettings(sqlite_path=":memory:", signalr_connection_string=SecretStr(text))
        async with open_azure_realtime(settings) as realtime:
            if "azure.msi" in text:
                return ""
            return (await realtime.watchers.negotiate(Principal("kim"))).url

    try:
        url = asyncio.run(negotiate())
    except ConfigurationError as error:
        assert "signalr_connection_string" in str(error)
    except SignalRError:
        pytest.fail("it was taken, and cannot be used")
    else:
        assert url == "" or url.endswith("/client/?hub=runs")


@pytest.mark.anyio
async def test_a_trigger_needs_cosmos_db_and_is_made_once() -> None:
    """Without it the message names the setting; with it no connection is made before the first document."""
    async with open_azure_realtime(StoreSettings(sqlite_path=":memory:", signalr_connection_string=SERVICE)) as realtime:
        with pytest.raises(ConfigurationError, match="COSMOS"):
            _ = realtime.trigger
    account = SecretStr("AccountEndpoint=https://localhost:1/;AccountKey=a2V5")
    settings = StoreSettings(backend="cosmos", cosmos_connection_string=account, signalr_connection_string=SERVICE)
    async with open_azure_realtime(settings) as realtime:
        assert isinstance(realtime.trigger, TriggerDelivery)
        assert realtime.trigger is realtime.trigger
