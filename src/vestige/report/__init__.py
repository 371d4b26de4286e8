"""Pages and pictures from run folders."""

from vestige.report.writing import write_figures, write_report

__all__ = ["write_figures", "write_report"]
