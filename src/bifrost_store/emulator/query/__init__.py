"""Requests that query: what the gateway serves, which items an index gives, and the pages of the rows."""
