"""Where each scope's data goes: the flag, and the waist that follows it."""
