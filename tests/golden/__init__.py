"""What the old application answered on a real data set, against what this library answers on the same rows."""
