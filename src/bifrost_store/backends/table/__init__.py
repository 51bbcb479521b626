"""Azure Table Storage: today's rows, read and written so that code on the old repositories stays correct."""
