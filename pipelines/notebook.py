"""For notebooks and scripts: ``from pipelines.notebook import sweep``; see ``pipelines.commands.notebook``."""

from pipelines.commands.notebook import Best, FinalModel, Report, SweepResult, sweep

__all__ = ["Best", "FinalModel", "Report", "SweepResult", "sweep"]
