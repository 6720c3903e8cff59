"""Log files and stores of other tools -> runs with curves; one module for each kind of log."""
