"""One self-contained HTML page for each study."""

from tegum.report.page import render as render
