// The Cosmos DB account of bifrost-store: serverless, one region, strongly consistent, with the database and containers
// that `bifrost-store init` makes, and a budget; tests/project/test_infra.py holds it equal to what the library needs.
// docs/howto/cosmos.md says how to deploy it.

@description('Name of the account: 3 to 44 lower-case letters, digits and hyphens, unique in the world.')
@minLength(3)
@maxLength(44)
param accountName string = 'bifrost-${uniqueString(resourceGroup().id)}'

@description('Region of the account; a serverless account has one.')
param location string = resourceGroup().location

@description('Name of the database.')
param databaseName string = 'bifrost'

@description('Object ids of the identities that may read and write documents: of the application, of developers.')
param principalIds array = []

@description('Refuse account keys and connection strings, so that identities are the only way in.')
param disableLocalAuth bool = false

@description('What a month of the resource group may cost, in the currency of the subscription, before a warning is sent.')
param budgetAmount int = 25

@description('Who is warned; nobody: there is no budget.')
param budgetEmails array = []

@description('First day of the budget, the first of a month; keep it when deploying again.')
param budgetStart string = utcNow('yyyy-MM-01')

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' = {
  name: accountName
  location: location
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [
      { name: 'EnableServerless' }
    ]
    consistencyPolicy: {
      defaultConsistencyLevel: 'Strong'
    }
    locations: [
      {
        locationName: location
        failoverPriority: 0
      }
    ]
    enableMultipleWriteLocations: false
    disableLocalAuth: disableLocalAuth
    minimalTlsVersion: 'Tls12'
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-11-15' = {
  parent: account
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
  }
}

resource entities 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: database
  name: 'entities'
  properties: {
    resource: {
      id: 'entities'
      partitionKey: {
        paths: [
          '/scope'
        ]
        kind: 'Hash'
        version: 2
      }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/*' }
          { path: '/meta/expiresAt/?' }
        ]
        excludedPaths: [
          { path: '/meta/*' }
          { path: '/hashedKey/?' }
          { path: '/details/*' }
          { path: '/logos/*' }
          { path: '/value/*' }
          { path: '/formSchema/*' }
          { path: '/allowedQueryParams/*' }
          { path: '/defaultLaunchParams/*' }
          { path: '/settings/*' }
          { path: '/errors/*' }
          { path: '/columns/*' }
          { path: '/histogram/?' }
          { path: '/workflows/*' }
          { path: '/others/*' }
          { path: '/"_etag"/?' }
        ]
      }
    }
  }
}

resource executions 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: database
  name: 'executions'
  properties: {
    resource: {
      id: 'executions'
      partitionKey: {
        paths: [
          '/scope'
        ]
        kind: 'Hash'
        version: 2
      }
      defaultTtl: 1209600
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/scope/?' }
          { path: '/type/?' }
          { path: '/sortKey/?' }
          { path: '/status/?' }
          { path: '/workflowName/?' }
          { path: '/executedBy/?' }
          { path: '/formId/?' }
          { path: '/startedAt/?' }
          { path: '/completedAt/?' }
          { path: '/durationMs/?' }
          { path: '/meta/expiresAt/?' }
        ]
        excludedPaths: [
          { path: '/*' }
          { path: '/"_etag"/?' }
        ]
      }
    }
  }
}

resource executionData 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: database
  name: 'execution_data'
  properties: {
    resource: {
      id: 'execution_data'
      partitionKey: {
        paths: [
          '/executionId'
        ]
        kind: 'Hash'
        version: 2
      }
      defaultTtl: 1209600
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/executionId/?' }
          { path: '/type/?' }
          { path: '/timestamp/?' }
          { path: '/expiresAt/?' }
        ]
        excludedPaths: [
          { path: '/*' }
          { path: '/"_etag"/?' }
        ]
      }
    }
  }
}

resource leases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: database
  name: 'leases'
  properties: {
    resource: {
      id: 'leases'
      partitionKey: {
        paths: [
          '/id'
        ]
        kind: 'Hash'
        version: 2
      }
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: []
        excludedPaths: [
          { path: '/*' }
          { path: '/"_etag"/?' }
        ]
      }
    }
  }
}

// "Cosmos DB Built-in Data Contributor": documents, queries, change feeds, and reading what containers are like. No role on
// data allows to make or change containers: that is for this template.
resource dataContributor 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2024-11-15' existing = {
  parent: account
  name: '00000000-0000-0000-0000-000000000002'
}

resource access 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = [for principalId in principalIds: {
  parent: account
  name: guid(account.id, principalId, dataContributor.id)
  properties: {
    principalId: principalId
    roleDefinitionId: dataContributor.id
    scope: account.id
  }
}]

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = if (!empty(budgetEmails)) {
  name: 'bifrost-store'
  properties: {
    category: 'Cost'
    amount: budgetAmount
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budgetStart
    }
    notifications: {
      spent: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Actual'
        contactEmails: budgetEmails
      }
      expected: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: budgetEmails
      }
    }
  }
}

@description('For BIFROST_STORE_COSMOS_ENDPOINT.')
output endpoint string = account.properties.documentEndpoint

@description('For BIFROST_STORE_COSMOS_DATABASE.')
output databaseName string = database.name

@description('For the account\'s keys: az cosmosdb keys list --type connection-strings.')
output accountName string = account.name
