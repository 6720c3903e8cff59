"""Training engines: a ``FitPlan`` goes in, the curves of all its fits come out."""
