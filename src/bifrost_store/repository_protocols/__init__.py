"""The declarations behind `bifrost_store.protocols`, one file a kind of data; import them from there."""
