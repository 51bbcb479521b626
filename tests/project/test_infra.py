"""What is deployed is what the library needs: the Bicep file, and Microsoft's emulators in containers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from bifrost_store.backends.cosmos.layout import CONTAINERS
from bifrost_store.cli.app import app
from bifrost_store.demo.azurite import _KEY as ACCOUNT_KEY
from bifrost_store.emulator.wire.auth import EMULATOR_KEY
from bifrost_store.settings import StoreSettings
from tests.project.bicep import BicepError, Expression, Template, read_bicep

ROOT = Path(__file__).parents[2]
HOWTO = (ROOT / "docs" / "howto" / "cosmos.md").read_text("utf-8")
DEPLOYING = (ROOT / "docs" / "howto" / "deploy-to-azure.md").read_text("utf-8")
HOST = json.loads((ROOT / "examples" / "functions_app" / "host.json").read_text("utf-8"))
ACCOUNTS = "Microsoft.DocumentDB/databaseAccounts"


@pytest.fixture(scope="module")
def template() -> Template:
    return read_bicep((ROOT / "infra" / "main.bicep").read_text("utf-8"))


@pytest.fixture(scope="module")
def realtime() -> Template:
    return read_bicep((ROOT / "infra" / "realtime.bicep").read_text("utf-8"))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return found


def of_type(template: Template, kind: str) -> list[dict[str, Any]]:
    return [resource for resource in template.resources.values() if resource["type"] == kind]


def test_the_containers_are_those_that_init_makes(template: Template) -> None:
    """Names, partition keys, TTLs and every index path are the layout's; none is missing and none is more."""
    found = of_type(template, f"{ACCOUNTS}/sqlDatabases/containers")
    for container in found:
        assert container["name"] == container["properties"]["resource"]["id"]
        assert Expression("database") == container["parent"]
        assert ["resource"] == list(container["properties"]), "throughput: a serverless account takes none"

    needed = [
        {"id": layout.name, "partitionKey": layout.key_definition, "indexingPolicy": layout.indexing_policy}
        | ({} if layout.default_ttl is None else {"defaultTtl": layout.default_ttl})
        for layout in CONTAINERS.values()
    ]
    assert needed == [container["properties"]["resource"] for container in found]


def test_the_account_keeps_what_the_contract_needs(template: Template) -> None:
    """Serverless, Strong, one region; keys can be turned off; nothing is given out that is secret."""
    (account,) = of_type(template, ACCOUNTS)
    properties = account["properties"]

    assert [{"name": "EnableServerless"}] == properties["capabilities"]
    assert {"defaultConsistencyLevel": "Strong"} == properties["consistencyPolicy"]
    assert [{"locationName": Expression("location"), "failoverPriority": 0}] == properties["locations"]
    assert properties["enableMultipleWriteLocations"] is False
    assert Expression("disableLocalAuth") == properties["disableLocalAuth"]
    assert {"endpoint", "databaseName", "accountName"} == set(template.outputs)
    assert not any("list" in str(output) for output in template.outputs.values())


def test_the_database_is_the_one_that_settings_name(template: Template) -> None:
    """The default of the parameter is the default of the setting."""
    (database,) = of_type(template, f"{ACCOUNTS}/sqlDatabases")

    assert StoreSettings.model_fields["cosmos_database"].default == template.parameters["databaseName"]
    name = Expression("databaseName")
    assert (name, {"resource": {"id": name}}) == (database["name"], database["properties"])


def test_identities_may_use_documents_and_no_more(template: Template) -> None:
    """Each principal is given the built-in role on data, which cannot change containers."""
    (role,) = of_type(template, f"{ACCOUNTS}/sqlRoleDefinitions")
    (assignment,) = of_type(template, f"{ACCOUNTS}/sqlRoleAssignments")

    assert (True, "00000000-0000-0000-0000-000000000002") == (role["existing"], role["name"])
    assert Expression("principalIds") == assignment["for"]
    assert [] == template.parameters["principalIds"]
    needed = {"principalId": "principalId", "roleDefinitionId": "dataContributor.id", "scope": "account.id"}
    assert {name: Expression(text) for name, text in needed.items()} == assignment["properties"]


def test_every_parameter_is_explained(template: Template, realtime: Template) -> None:
    """The guides have a line for each, and all have defaults: the files deploy as they are."""
    for declared, guide in ((template, HOWTO), (realtime, DEPLOYING)):
        assert [] == [name for name in declared.parameters if f"| `{name}` |" not in guide]
        assert None not in declared.parameters.values()


def test_the_budget_warns_where_the_plan_and_the_command_do(template: Template) -> None:
    """At the plan's 25 a month, of what was spent and of what is expected, if anybody is to be told."""
    (budget,) = of_type(template, "Microsoft.Consumption/budgets")
    properties = budget["properties"]
    commands: Any = get_command(app)
    (threshold,) = [one.default for one in commands.commands["cost"].params if "--alert-above" in one.opts]

    assert (25, 25) == (template.parameters["budgetAmount"], threshold)
    assert ("Cost", Expression("budgetAmount"), "Monthly") == tuple(properties[one] for one in ("category", "amount", "timeGrain"))
    assert Expression("!empty(budgetEmails)") == budget["if"]
    told = {one["thresholdType"]: one for one in properties["notifications"].values()}
    assert {"Actual", "Forecasted"} == set(told)
    for one in told.values():
        assert (True, "GreaterThan", 100) == (one["enabled"], one["operator"], one["threshold"])
        assert Expression("budgetEmails") == one["contactEmails"]


def test_the_signalr_service_is_what_the_library_speaks_to(realtime: Template) -> None:
    """Serverless, without keys; free where nobody says otherwise, as the cost page counts."""
    (service,) = of_type(realtime, "Microsoft.SignalRService/signalR")

    assert {"name": Expression("signalrTier"), "capacity": Expression("signalrUnits")} == service["sku"]
    assert ("Free_F1", 1) == (realtime.parameters["signalrTier"], realtime.parameters["signalrUnits"])
    assert [{"flag": "ServiceMode", "value": "Serverless"}] == service["properties"]["features"]
    assert service["properties"]["disableLocalAuth"] is True


def test_the_function_app_has_the_settings_that_the_library_reads(realtime: Template) -> None:
    """They are accepted, switch real time on, name every place by identity, and nothing in them is secret."""
    (app,) = of_type(realtime, "Microsoft.Web/sites")
    deployed = {one["name"]: one["value"] for one in app["properties"]["siteConfig"]["appSettings"]}
    stand_ins = {
        "account.properties.documentEndpoint": "https://name.documents.azure.com:443/",
        "storage.properties.primaryEndpoints.blob": "https://name.blob.core.windows.net/",
        "databaseName": realtime.parameters["databaseName"],
        "realtime": realtime.parameters["realtime"],
        "storage.name": "name",
        "empty(vaultName)?'':'https://${vaultName}${environment().suffixes.keyvaultDns}'": "https://name.vault.azure.net",
    }
    environment = {
        name: stand_ins.get(value.text, value.text.replace("${signalr.properties.hostName}", "name.service.signalr.net"))
        if isinstance(value, Expression)
        else value
        for name, value in deployed.items()
    }
    settings = StoreSettings.from_environment(environment)

    assert not any("${" in value or "list" in value for value in environment.values())
    assert ("cosmos", "on", "runs") == (settings.backend, settings.realtime, settings.signalr_hub)
    assert settings.signalr_connection_string is not None
    assert "AuthType=azure.msi" in settings.signalr_connection_string.get_secret_value()
    assert settings.cosmos_endpoint == environment["CosmosDBConnection__accountEndpoint"]
    assert "AzureWebJobsStorage__accountName" in environment
    assert "https://name.vault.azure.net" == settings.keyvault_url
    assert settings.cosmos_database == StoreSettings.model_fields["cosmos_database"].default
    assert ("functionapp,linux", {"type": "SystemAssigned"}) == (app["kind"], app["identity"])
    assert "python" == app["properties"]["functionAppConfig"]["runtime"]["name"]


def test_the_function_app_may_use_what_it_needs_and_no_more(realtime: Template) -> None:
    """Documents, blobs, the SignalR service's interface and secrets: one role each, on the service itself."""
    blobs, signalr = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "fd53cd77-2268-407a-8f46-7e7863d0f521"
    secrets = "4633458b-17de-408a-b874-0445c86b69e6"
    (documents,) = of_type(realtime, f"{ACCOUNTS}/sqlRoleAssignments")
    (role,) = of_type(realtime, f"{ACCOUNTS}/sqlRoleDefinitions")
    assigned = of_type(realtime, "Microsoft.Authorization/roleAssignments")
    principal = Expression("app.identity.principalId")

    assert "00000000-0000-0000-0000-000000000002" == role["name"]
    assert (principal, Expression("account.id")) == (documents["properties"]["principalId"], documents["properties"]["scope"])
    assert {("storage", blobs), ("signalr", signalr), ("vault", secrets)} == {
        (one["scope"].text, one["properties"]["roleDefinitionId"].text.rpartition(",'")[2].rstrip("')")) for one in assigned
    }
    assert all(principal == one["properties"]["principalId"] for one in assigned)


def test_secrets_are_read_where_a_vault_is_named_and_only_there(realtime: Template) -> None:
    """Without a vault nothing is assigned, and the setting that names it is empty: as if it were not there."""
    (vault,) = of_type(realtime, "Microsoft.KeyVault/vaults")
    condition = Expression("!empty(vaultName)")

    assert ("", True) == (realtime.parameters["vaultName"], vault["existing"])
    assert (condition, condition) == (vault["if"], realtime.resources["secretsAccess"]["if"])
    assert StoreSettings.from_environment({"BIFROST_STORE_KEYVAULT_URL": ""}).keyvault_url is None


def test_both_files_name_the_same_account(template: Template, realtime: Template) -> None:
    """Deployed into one resource group without parameters, the second finds what the first has made."""
    for name in ("accountName", "databaseName"):
        assert template.parameters[name] == realtime.parameters[name]
    (account,) = of_type(realtime, ACCOUNTS)
    assert (True, Expression("accountName")) == (account["existing"], account["name"])


def test_the_host_polls_with_the_extension_that_the_triggers_are_written_for() -> None:
    """Version 4 of the bundle, by the gateway, as the library does; no function is given up on before ten minutes."""
    assert "[4.*, 5.0.0)" == HOST["extensionBundle"]["version"]
    assert {"cosmosDB": {"connectionMode": "Gateway"}, "http": {"routePrefix": "api"}} == HOST["extensions"]
    assert "00:10:00" == HOST["functionTimeout"]


@pytest.mark.parametrize(
    "text",
    [
        "var a = 1",
        "param a string = 'x'\nparam a string = 'y'",
        "resource a 'T@1' = {\n  b: 1\n  b: 2\n}",
        "resource a 'T@1' = {\n  b: 1 c: 2\n}",
        "resource a 'T@1' = {\n  b:\n}",
        "resource a 'T@1' = {\n  b: [\n    1 2\n  ]\n}",
        "resource a 'T@1' = {\n  b: f(\n",
        "resource a 'T@1' = {} }",
        "resource a 'T@1' = if {}",
        "resource a 'T@1' = if () {}",
        "resource a 'T@1' = if (b {}",
        "output a string = 'open",
        "param a string = b + #",
    ],
)
def test_what_is_no_bicep_is_refused(text: str) -> None:
    """The reader of these tests guesses nothing, so that it misses nothing."""
    with pytest.raises(BicepError):
        read_bicep(text)


def ports(service: dict[str, Any]) -> dict[int, int]:
    """Return inner ports by outer ones, all of this machine alone."""
    pairs = [str(port).removeprefix("127.0.0.1:").split(":") for port in service["ports"]]
    return {int(outer): int(inner) for outer, inner in pairs}


def test_compose_starts_what_the_guide_says(services: dict[str, Any]) -> None:
    """Images, ports and settings are those that Microsoft documents, and the guide's connection strings reach them."""
    azurite, cosmos = services["azurite"], services["cosmos"]

    assert {"azurite", "cosmos"} == set(services)
    assert azurite["image"].startswith("mcr.microsoft.com/azure-storage/azurite:")
    assert "mcr.microsoft.com/cosmosdb/linux/azure-cosmos-emulator:vnext-preview" == cosmos["image"]
    assert ({10000: 10000, 10002: 10002}, {8081: 8081, 1234: 1234}) == (ports(azurite), ports(cosmos))
    assert {"--blobHost 0.0.0.0", "--tableHost 0.0.0.0"} <= set(re.findall(r"--\w+Host \S+", azurite["command"]))
    known = {"PROTOCOL", "GATEWAY_PUBLIC_ENDPOINT", "ENABLE_EXPLORER", "ENABLE_TELEMETRY"}
    assert known == set(cosmos["environment"])
    assert all(isinstance(value, str) for value in cosmos["environment"].values()), "true alone is no text in YAML"
    assert f"AccountEndpoint={cosmos['environment']['PROTOCOL']}://localhost:8081/;AccountKey={EMULATOR_KEY}" in HOWTO
    assert f"AccountName=devstoreaccount1;AccountKey={ACCOUNT_KEY};" in HOWTO
    assert "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1" in HOWTO


def test_compose_starts_the_azurite_that_nox_does(services: dict[str, Any]) -> None:
    """One version for all."""
    version = re.search(r'^AZURITE_VERSION = "(.*)"', (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)

    assert version is not None
    assert version[1] == services["azurite"]["image"].rpartition(":")[2]
