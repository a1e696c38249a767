"""One self-contained HTML page for each study, and its figures as files."""

from tegum.report.export import check_target as check_target
from tegum.report.export import save_figure as save_figure
from tegum.report.page import render as render
