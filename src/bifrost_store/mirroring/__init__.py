"""Two stores as one: writes to both, the journal of what the second one lacks, its repair, shadow reads."""
