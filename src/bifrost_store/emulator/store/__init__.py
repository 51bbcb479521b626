"""Where the server keeps what it is given: one SQLite database, in a file or in memory."""
