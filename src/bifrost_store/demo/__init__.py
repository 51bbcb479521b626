"""The demo: real parts brought up, a small data set, the same calls on each backend side by side."""
