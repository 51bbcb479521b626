"""The local Cosmos DB server: its protocol, its storage, and what other servers have in common with it."""
