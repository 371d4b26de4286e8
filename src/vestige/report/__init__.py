"""Pages and pictures from run folders."""

from vestige.report.comparison import Baseline, Comparison, Entry, Skipped, save_comparison
from vestige.report.comparison_page import write_comparison, write_comparison_figures
from vestige.report.overview import write_overview
from vestige.report.writing import show, write_figures, write_report

__all__ = [
    "Baseline",
    "Comparison",
    "Entry",
    "Skipped",
    "save_comparison",
    "show",
    "write_comparison",
    "write_comparison_figures",
    "write_figures",
    "write_overview",
    "write_report",
]
