"""Cosmos DB for NoSQL: one document per record, one write per change."""
