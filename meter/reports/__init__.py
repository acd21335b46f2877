"""What is read from a ledger: sums, margins, one user's standing, and how they are shown."""

from __future__ import annotations

from meter.reports.ask import Ask, Wanted
from meter.reports.default import report, standing
from meter.reports.standing import Standing
from meter.reports.summary import Report, summarize

__all__ = ["Ask", "Report", "Standing", "Wanted", "report", "standing", "summarize"]
