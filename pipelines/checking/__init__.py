"""One validator for all that people write by hand: exercise files, options of data sets, the command line."""
