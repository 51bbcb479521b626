"""Everything in a store, out to files and in again: as records for any backend, or as the raw rows of today's tables."""
