"""The declarations behind `bifrost_store.protocols`, one file a kind of data; applications import them from there."""
