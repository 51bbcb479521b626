// What real time takes beside infra/main.bicep, deployed into the same resource group: Azure SignalR Service in serverless mode,
// and a function app for examples/functions_app with an identity that may use both. tests/project/test_infra.py holds settings
// and roles equal to what the library needs. docs/howto/deploy-to-azure.md says how to deploy it.

@description('Region of everything here.')
param location string = resourceGroup().location

@description('Name of the Cosmos DB account that infra/main.bicep made.')
param accountName string = 'bifrost-${uniqueString(resourceGroup().id)}'

@description('Name of its database.')
param databaseName string = 'bifrost'

@description('Name of the SignalR service: 3 to 63 letters, digits and hyphens, unique in the world.')
param signalrName string = 'bifrost-${uniqueString(resourceGroup().id)}'

@description('Free_F1: 20 connections and 20,000 messages a day. Standard_S1: 1,000 connections a unit.')
@allowed([
  'Free_F1'
  'Standard_S1'
])
param signalrTier string = 'Free_F1'

@description('Units of the SignalR service; Free_F1 has one.')
param signalrUnits int = 1

@description('Origins of the pages that may connect to the SignalR service.')
param allowedOrigins array = [
  '*'
]

@description('Name of the function app, unique in the world.')
param functionAppName string = 'bifrost-${uniqueString(resourceGroup().id)}'

@description('Name of the storage account of the function app and of payload blobs: 3 to 24 lower-case letters and digits.')
@minLength(3)
@maxLength(24)
param storageName string = 'bifrost${uniqueString(resourceGroup().id)}'

@description('Name of the Key Vault, in this resource group, with the secrets that settings and OAuth connections name; none by default.')
param vaultName string = ''

@description('on or off: BIFROST_STORE_REALTIME.')
@allowed([
  'on'
  'off'
])
param realtime string = 'on'

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' existing = {
  name: accountName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = if (!empty(vaultName)) {
  name: vaultName
}

resource signalr 'Microsoft.SignalRService/signalR@2023-02-01' = {
  name: signalrName
  location: location
  kind: 'SignalR'
  sku: {
    name: signalrTier
    capacity: signalrUnits
  }
  properties: {
    features: [
      {
        flag: 'ServiceMode'
        value: 'Serverless'
      }
    ]
    cors: {
      allowedOrigins: allowedOrigins
    }
    disableLocalAuth: true
  }
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: storageName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'packages'
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: functionAppName
  location: location
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: functionAppName
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packages.name}'
          authentication: {
            type: 'SystemAssignedIdentity'
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.11'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        {
          name: 'AzureWebJobsStorage__accountName'
          value: storage.name
        }
        {
          name: 'CosmosDBConnection__accountEndpoint'
          value: account.properties.documentEndpoint
        }
        {
          name: 'BIFROST_STORE_BACKEND'
          value: 'cosmos'
        }
        {
          name: 'BIFROST_STORE_COSMOS_ENDPOINT'
          value: account.properties.documentEndpoint
        }
        {
          name: 'BIFROST_STORE_COSMOS_DATABASE'
          value: databaseName
        }
        {
          name: 'BIFROST_STORE_BLOB_ENDPOINT'
          value: storage.properties.primaryEndpoints.blob
        }
        {
          name: 'BIFROST_STORE_REALTIME'
          value: realtime
        }
        {
          name: 'BIFROST_STORE_SIGNALR_CONNECTION_STRING'
          value: 'Endpoint=https://${signalr.properties.hostName};AuthType=azure.msi;Version=1.0;'
        }
        {
          name: 'BIFROST_STORE_SIGNALR_HUB'
          value: 'runs'
        }
        {
          name: 'BIFROST_STORE_KEYVAULT_URL'
          value: empty(vaultName) ? '' : 'https://${vaultName}${environment().suffixes.keyvaultDns}'
        }
      ]
    }
  }
}

// "Cosmos DB Built-in Data Contributor": documents and change feeds, also for the triggers and their leases.
resource dataContributor 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2024-11-15' existing = {
  parent: account
  name: '00000000-0000-0000-0000-000000000002'
}

resource cosmosAccess 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = {
  parent: account
  name: guid(account.id, app.id, dataContributor.id)
  properties: {
    principalId: app.identity.principalId
    roleDefinitionId: dataContributor.id
    scope: account.id
  }
}

// "SignalR REST API Owner": send, groups, connections, and tokens for clients.
resource signalrAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: signalr
  name: guid(signalr.id, app.id, 'fd53cd77-2268-407a-8f46-7e7863d0f521')
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'fd53cd77-2268-407a-8f46-7e7863d0f521')
  }
}

// "Storage Blob Data Owner": the host's locks, the packages, payloads, and links to uploads.
resource storageAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage
  name: guid(storage.id, app.id, 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b')
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b')
  }
}

// "Key Vault Secrets User": the values of secrets, and nothing else of the vault.
resource secretsAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(vaultName)) {
  scope: vault
  name: guid(vault.id, app.id, '4633458b-17de-408a-b874-0445c86b69e6')
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')
  }
}

@description('For func azure functionapp publish.')
output functionAppName string = app.name

@description('Where the function app answers.')
output functionAppUrl string = 'https://${app.properties.defaultHostName}'

@description('For BIFROST_STORE_SIGNALR_CONNECTION_STRING of other processes, with the same role.')
output signalrEndpoint string = 'https://${signalr.properties.hostName}'

@description('The identity, for further role assignments.')
output principalId string = app.identity.principalId
