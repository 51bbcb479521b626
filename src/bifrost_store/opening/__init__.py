"""Settings become objects: a store, a migration."""
