"""Writes what became of each test into the file that `TOKENKEEP_OUTCOMES` names."""

import os

_outcomes = {}


def pytest_runtest_logreport(report):
    # A test has passed if no phase of it has failed or was skipped.
    if report.when == "call" or report.outcome != "passed":
        _outcomes.setdefault(report.nodeid, report.outcome)
        if report.failed:
            _outcomes[report.nodeid] = "failed"


def pytest_collectreport(report):
    if report.outcome != "passed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish():
    with open(os.environ["TOKENKEEP_OUTCOMES"], "w", encoding="utf-8") as file:
        for name, outcome in sorted(_outcomes.items()):
            file.write(f"{outcome} {name}\n")
