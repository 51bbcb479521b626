"""Where payloads too large for a record live, in today's blob layout."""
