"""What handlers of requests share: the request taken apart, the part of a container it is about, pages and their tokens."""
