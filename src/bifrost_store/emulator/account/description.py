"""The account: what ``GET /`` says of it."""

from __future__ import annotations

from typing import Any, Final

REGION: Final = "Local"
_READ_POLICY: Final = {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1}
_REPLICATION: Final = {"asyncReplication": False, "minReplicaSetSize": 3, "maxReplicasetSize": 4}
_QUERY_ENGINE: Final = (
    '{"maxSqlQueryInputLength":524288,"maxJoinsPerSqlQuery":10,"maxLogicalAndPerSqlQuery":2000,"maxLogicalOrPerSqlQuery":2000,'
    '"maxUdfRefPerSqlQuery":10,"maxInExpressionItemsCount":2147483647,"queryMaxInMemorySortDocumentCount":2147483647,'
    '"maxQueryRequestTimeoutFraction":0.9,"sqlAllowNonFiniteNumbers":false,"sqlAllowAggregateFunctions":true,'
    '"sqlAllowSubQuery":true,"sqlAllowScalarSubQuery":true,"allowNewKeywords":true,"sqlAllowLike":true,'
    '"sqlAllowGroupByClause":true,"maxSpatialQueryCells":12,"spatialMaxGeometryPointCount":256,"sqlDisableQueryILOptimization":false,'
    '"sqlDisableFilterPlanOptimization":false,"enableSpatialIndexing":true}'
)


def account(endpoint: str, consistency: str) -> dict[str, Any]:
    """Return the account's properties for a client that reached it at *endpoint*, which is where it goes on."""
    locations = [{"name": REGION, "databaseAccountEndpoint": endpoint}]
    return {
        "_self": "",
        "id": "emulator",
        "_rid": "emulator",
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": locations,
        "readableLocations": locations,
        "enableMultipleWriteLocations": False,
        "continuousBackupEnabled": False,
        "enableNRegionSynchronousCommit": False,
        "enablePerPartitionFailoverBehavior": False,
        "userReplicationPolicy": _REPLICATION,
        "userConsistencyPolicy": {"defaultConsistencyLevel": consistency},
        "systemReplicationPolicy": _REPLICATION,
        "readPolicy": _READ_POLICY,
        "queryEngineConfiguration": _QUERY_ENGINE,
    }
