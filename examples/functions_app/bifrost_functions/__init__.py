"""The platform's handlers: each reads a request, calls the library once or twice, and answers."""
