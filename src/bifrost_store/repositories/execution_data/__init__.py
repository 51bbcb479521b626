"""What runs leave while they go on, as callers read it."""
