"""The sweep: what it is asked, its loop, when a trial may end early, and what it shows."""
