"""Moving a live platform from one store to another: phases, backfill, verification, hand-over."""
