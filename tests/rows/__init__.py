"""A differential machine over raw rows: damaged as storage tools and old versions damage them, they read alike everywhere."""
