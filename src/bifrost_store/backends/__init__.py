"""Storage technologies behind one narrow protocol: one folder each, the only place where its SDK is imported."""
