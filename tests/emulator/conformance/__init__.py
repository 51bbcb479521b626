"""What every server of Azure Cosmos DB for NoSQL does: the emulator, and others to compare it with."""
