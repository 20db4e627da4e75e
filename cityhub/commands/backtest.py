"""`cityhub backtest`: what checks and rules would have done with a recording."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from alerts import rulebook
from alerts.backtest import Outcome, judge, recorded
from alerts.bound import bound
from alerts.propose import propose
from alerts.rulebook import Subject, Version
from cityhub.commands.options import Config, settings
from cityhub.findings import tell, tell_proposal
from cityhub.settings import OperatorError, Settings
from edge.drivers.recording import read, unit_of
from ingest import profile

out = Console(highlight=False, soft_wrap=True, markup=False)  # units have brackets

SLOT = 1


def backtest(  # noqa: PLR0917 -- each is an option of the command line
    file: Annotated[Path, typer.Argument(help="CSV (or .csv.gz) with a time and a value column.")],
    profile_key: Annotated[
        str | None,
        typer.Option("--profile", help="The kind of device; without it only checks that need none."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The metric of the profile that the values are.")] = None,
    rules: Annotated[
        list[Path] | None, typer.Option("--rule", help="Judge by this rule alone; may be repeated.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="The device whose own limits hold, where a rule has such.")
    ] = "recording",
    results: Annotated[
        Path | None,
        typer.Option("--out", help="Write time,value,flag,level,score there, a line for each reading."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw series, limits, alarms and pages there (PNG).")
    ] = None,
    per_week: Annotated[
        float | None, typer.Option(min=0.0, help="Propose limits that give so many orange alarms a week.")
    ] = None,
    below: Annotated[bool, typer.Option("--below", help="Propose limits below instead of above.")] = False,
    between: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="USUAL WORST",
            help="The values that stand for 0 and 1, for a rule whose limits are shares.",
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of values, where it is not called value.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Factor to the profile's unit, e.g. 0.3048 for feet to metres.")
    ] = 1.0,
    config: Config = None,
) -> None:
    """Let the hub's own checks and rules judge a recording, and say what they would have done.

    Nothing is stored and nobody is told. Rules are those that would apply to a device of this profile: the shipped ones
    and those of the setting `rules`.
    """
    given = settings(config)
    samples = [(at, value * scale) for at, value in read(file, value=column)]
    if not samples:
        raise OperatorError(f"{file.name} has no readings", "it needs a line for each, below time,value")
    measured = _measured(given, profile_key, metric)
    subject = Subject(
        SLOT,
        metric or "value",
        profile_key or "",
        "recordings",
        device,
        unit=measured.unit if measured else "",
    )
    said = unit_of(file)
    if said and subject.unit and said != subject.unit and scale == 1:
        out.print(
            f"Warning: the file says {said}, the metric is in {subject.unit}; --scale takes one to the other"
        )
    checks: dict[str, Any] = measured.checks.model_dump(exclude_none=True) if measured else {}
    versions = (
        chosen(rules or [], subject, between) if rules else _applying(given, subject) if measured else []
    )
    rows, newer = recorded(samples, checks)
    outcome = judge(rows, newer, versions, subject)
    _say_rules(versions, profile_key)
    tell(out, outcome, unit=subject.unit)
    if results is not None:
        write(results, outcome)
        out.print(f"written {results}")
    if per_week is not None:
        proposal = propose(rows, newer, subject, per_week, "below" if below else "above")
        if proposal is None:
            raise OperatorError(
                "nothing to propose: all values are the same", "give a recording in which something happens"
            )
        tell_proposal(out, proposal, per_week, subject.unit)
        if not versions:
            outcome, versions = proposal.outcome, [proposal.version]
    if picture is not None:
        paint(picture, [(file.name, subject, outcome, versions)])
        out.print(f"drawn   {picture}")


def chosen(files: list[Path], subject: Subject, between: tuple[float, float] | None) -> list[Version]:
    """Rules that a person named: they judge whatever they say they apply to, if they have limits for the device."""
    versions = []
    for version in map(rulebook.read_limits, files):
        scales = version.rule.between
        if between is not None and not between[0] < between[1]:
            raise OperatorError(
                f"{between[0]:g} and {between[1]:g} are not usual and worst",
                "write the lower value first: --between 0.34 0.91",
            )
        if scales is not None and between is not None:
            scales = {subject.device: between}
        versions.append(replace(version, rule=version.rule.model_copy(update={"between": scales})))
        if scales is not None and subject.device not in scales:
            raise OperatorError(
                f"{version.rule.rule} has limits for {', '.join(scales)}, not for {subject.device}",
                "choose one with --device, or say what is usual and what is worst with --between 0.34 0.91",
            )
        if not version.rule.speaks_of_unit(subject.unit):
            raise OperatorError(
                f"{version.rule.rule} speaks of {version.rule.unit}, the metric is in {subject.unit}",
                "change the rule's unit and limits together",
            )
    return versions


def write(path: Path, outcome: Outcome) -> None:
    """One line for each reading: time, value, flag, level, score."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["time", "value", "flag", "level", "score"])
        for row, level, score in zip(outcome.rows, outcome.level, outcome.score, strict=True):
            at = datetime.fromtimestamp(int(row["time"]) / 1e6, UTC).isoformat().replace("+00:00", "Z")
            value = "" if row["value"] != row["value"] else f"{row['value']:.12g}"
            lines.writerow([at, value, row["flag"], level, f"{score:.4g}"])


def paint(path: Path, parts: list[tuple[str, Subject, Outcome, list[Version]]]) -> None:
    """A picture of series with what rules would have done."""
    from cityhub.drawing import Panel, draw  # noqa: PLC0415 -- half a second that only a picture is worth

    panels = []
    for title, subject, outcome, versions in parts:
        limits = []
        for version in versions:
            row = bound(version.rule, subject.device, -1)
            limits += [
                (side, level, float(limit))
                for side in ("above", "below")
                for level, limit in enumerate(row[side], 1)
                if limit == limit  # noqa: PLR0124 -- not NaN: this level has a limit
            ]
        panels.append(Panel(title, subject.unit, outcome, limits))
    draw(path, panels)


def _measured(given: Settings, profile_key: str | None, metric: str | None) -> profile.Metric | None:
    """The metric of the profile; raises OperatorError."""
    if profile_key is None:
        return None
    folders = [profile.SHIPPED, *([Path(given.profiles)] if given.profiles else [])]
    known = {one.profile.profile: one.profile for folder in folders for one in profile.load(folder)}
    if profile_key not in known:
        raise OperatorError(f"no profile {profile_key}", f"known are {', '.join(known)}")
    metrics: dict[str, profile.Metric] = {**known[profile_key].metrics, **known[profile_key].derived}
    if metric not in metrics:
        asked = f"{profile_key} measures no {metric}" if metric else "which metric the values are is not said"
        raise OperatorError(asked, f"choose --metric from {', '.join(metrics)}")
    return metrics[metric]


def _applying(given: Settings, subject: Subject) -> list[Version]:
    folders = (rulebook.SHIPPED, *([Path(given.rules)] if given.rules else []))
    return rulebook.applying(rulebook.with_limits(rulebook.load(*folders)), subject)


def _say_rules(versions: list[Version], profile_key: str | None) -> None:
    if versions:
        out.print(
            "rules   " + ", ".join(f"{version.rule.rule} {version.sha256[:12]}" for version in versions)
        )
    elif profile_key is None:
        out.print(
            "rules   none: name one with --rule, or say what the values are with --profile and --metric"
        )
    else:
        out.print(
            "rules   none applies to such a device: name one with --rule, or set the folder of your rules (CITYHUB_RULES)"
        )
