"""The control path, which SDKs never use: faults on demand, the log of requests, clock, splits and reset."""
