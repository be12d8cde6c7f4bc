"""Reports of a run: report.json is the truth; the page, JUnit and the badge are views of it."""
