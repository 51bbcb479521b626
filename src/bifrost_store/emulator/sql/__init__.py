"""Cosmos SQL over items in memory. Nothing here does input or output.

`parser.parse` makes a checked syntax tree; `execute.prepare` and `execute.execute` run it over items; `analysis` knows what
the gateway serves across partitions and writes query plans; `indexes.index_use` tells storage what it may narrow and sort
beforehand, and `values.sort_key` by which keys; `policy.check_order_by` holds ORDER BY against the indexing policy.
"""
