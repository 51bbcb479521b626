"""Plain values of the waist: scopes, keys, versions, records, queries. No I/O."""
