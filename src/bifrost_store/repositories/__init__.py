"""The domain rules, written once over the waist: one implementation of each Protocol of `bifrost_store.protocols`."""
