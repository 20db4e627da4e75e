"""`cityhub rule`: rules as files: what they would judge, what they would have done, and the proof of what they did."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from alerts import rulebook, table
from alerts.backtest import heard, judge
from alerts.checks.threshold import KERNEL
from alerts.propose import propose
from alerts.rule import LEVEL_NAMES, NoData, Rule
from alerts.rulebook import RuleError, Subject, Version
from alerts.verdict import judge_again, steps
from cityhub.commands.backtest import paint
from cityhub.commands.options import Config, connect, settings
from cityhub.findings import tell, tell_proposal
from cityhub.judging import registered, stored, subjects
from cityhub.settings import OperatorError, Settings
from ingest import profile

app = typer.Typer(help="Rules: check them, try them on the past, prove what they did.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True, markup=False)  # units have brackets

MOST_PANELS = 6
SPAN = re.compile(r"(\d+)([hdw])")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@app.command()
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Rule files or folders; default: the rules of the settings.")
    ] = None,
    config: Config = None,
) -> None:
    """Read rules and say which series each would judge; every mistake is named with its file and line.

    Held against the devices that are registered, or against the profiles where no hub is running.
    """
    given = settings(config)
    versions, faults = [], []
    for file in _files(paths or [rulebook.SHIPPED, *([Path(given.rules)] if given.rules else [])]):
        try:
            versions.append((file, rulebook.read(file)))
        except RuleError as error:
            faults.append(error)
    if faults:
        raise OperatorError("\n".join(map(str, faults)), faults[0].hint)
    known = _registered(given)
    if known is None:
        out.print(
            "No hub is running: held against the profiles; departments, zones and devices are not known."
        )
    possible = _possible(given) if known is None else []
    for file, version in versions:
        rule = version.rule
        out.print(
            f"{file}: {rule.rule} {version.sha256[:12]}{' (shadow)' if rule.mode == 'shadow' else ''}: {_limits(rule)}"
        )
        if known is None:
            matching = [subject for subject in possible if _may_speak_of(rule, subject)]
        else:
            matching = [subject for subject in known if rulebook.matches(rule, subject)]
        # Without a registry no datum is known: then none is held against the rule.
        refusals = {
            subject: rule.refuses(subject.unit, subject.datum if known is not None else rule.datum or "")
            for subject in matching
            if not isinstance(rule, NoData)
        }
        judged = [subject for subject in matching if not refusals.get(subject)]
        if judged:
            out.print(f"  {'could judge' if known is None else 'judges'} {len(judged)}: {_names(judged)}")
        if not matching:
            out.print(
                "  Warning: matches nothing; check metric, profile, department, zone and device for a wrong name"
            )
        for reason in sorted({refusals[subject] for subject in matching if refusals.get(subject)}):
            foreign = [subject for subject in matching if refusals[subject] == reason]
            out.print(f"  Warning: does not judge {_names(foreign)}: {reason}")


@app.command()
def backtest(
    name: Annotated[str, typer.Argument(metavar="RULE", help="A rule's file, or the name of a rule in use.")],
    since: Annotated[str, typer.Option(help="How far back, like 12h, 30d or 8w.")] = "30d",
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw series, limits, alarms and pages there (PNG).")
    ] = None,
    per_week: Annotated[
        float | None, typer.Option(min=0.0, help="Propose limits that give so many orange alarms a week.")
    ] = None,
    config: Config = None,
) -> None:
    """Let a rule judge what is stored, and say what it would have done, series by series.

    Nothing is written and nobody is told. The rule begins without a memory of what was before.
    """
    given = settings(config)
    version = _find(given, name)
    span = SPAN.fullmatch(since)
    if span is None:
        raise OperatorError(
            f"--since {since} is no span of time", "write a number and h, d or w: 12h, 30d, 8w"
        )
    with connect(given) as connection:
        matching = [
            subject
            for subject in subjects(connection)
            if rulebook.matches(version.rule, subject) and device in {None, subject.device}
        ]
        if not matching:
            raise OperatorError(
                f"{version.rule.rule} matches no series" + (f" of {device}" if device else " that is stored"),
                "`cityhub rule check` says which series a rule would judge",
            )
        drawn = []
        for subject in matching:
            out.print(f"{subject.device} {subject.metric}", style="bold")
            if reason := version.rule.refuses(subject.unit, subject.datum):
                out.print(f"  not judged: {reason}")
                continue
            rows = stored(connection, subject.slot, int(span[1]) * UNITS[span[2]])
            if not len(rows):
                out.print(f"  no reading in the last {since}")
                continue
            outcome = judge(rows, heard(rows), [version], subject)
            tell(out, outcome, unit=subject.unit)
            if per_week is not None:
                proposal = propose(
                    rows, heard(rows), subject, per_week, "above" if version.rule.above else "below"
                )
                if proposal is None:
                    out.print("  nothing to propose: all values are the same")
                else:
                    tell_proposal(out, proposal, per_week, subject.unit)
            drawn.append((f"{subject.device} {subject.metric}", subject, outcome, [version]))
    if picture is not None and drawn:
        drawn.sort(key=lambda part: -len(part[2].episodes))
        paint(picture, drawn[:MOST_PANELS])
        out.print(
            f"drawn   {picture}"
            + (f", the {MOST_PANELS} series with the most alarms" if len(drawn) > MOST_PANELS else "")
        )


@app.command("tables")
def tables_(
    name: Annotated[str | None, typer.Argument(metavar="TABLE", help="Only this one.")] = None,
) -> None:
    """Show the tables of levels that rules may take their limits from (`thresholds: {table: NAME}`), with their sources."""
    found = table.load()
    if name is not None and name not in found:
        raise OperatorError(f"no table {name}", f"there are {', '.join(found)}")
    used: dict[str, list[str]] = {}
    for one in profile.load():
        for metric, measured in (one.profile.metrics | one.profile.derived).items():
            if measured.table:
                used.setdefault(measured.table, []).append(f"{one.profile.profile} {metric}")
    for key, loaded in found.items():
        if name not in (None, key):
            continue
        given = loaded.table
        since = f", since {given.valid_from}" if given.valid_from else ""
        out.print(f"{key}: {given.name}{since}", style="bold")
        out.print(f"  source: {given.source.strip()}")
        side = "from" if given.side == "above" else "down to"
        for step in given.steps:
            limit = step.mark or ("" if step.limit is None else f"{step.limit:g} {given.unit}")
            within = f" within {step.within_s / 3600:g} h" if step.within_s else ""
            out.print(
                f"  {step.name:<24}{side if limit else ''} {limit}{within}  {step.words or step.zh}".rstrip()
            )
        for mark, meaning in given.marks.items():
            out.print(f"  {mark} is the {meaning}")
        if key in used:
            out.print(f"  for {', '.join(used[key])}")


@app.command()
def prove(
    alarm: Annotated[int, typer.Argument(help="The number of an alarm.")], config: Config = None
) -> None:
    """Judge once more what moved an alarm: the readings that each step names, by the rule version that it names.

    Exits with 1 where a verdict differs.
    """
    with connect(settings(config)) as connection:
        found = steps(connection, alarm)
    if not found:
        raise OperatorError(
            f"alarm {alarm} has no step that a rule has made", "`GET /api/v1/alarms` has the id of each alarm"
        )
    wrong = 0
    for step in found:
        again = judge_again(
            step.version, step.subject, step.from_level, step.held, step.moved_by, step.against
        )
        same = again == step.told
        wrong += not same
        change = f"{LEVEL_NAMES[step.from_level]} to {LEVEL_NAMES[step.told.to_level]}"
        out.print(
            f"{change}, {step.version.rule.rule} {step.version.sha256[:12]}, {len(step.moved_by)} readings: "
            + ("the same verdict" if same else f"ANOTHER verdict{_why(step.kernel, whole=step.whole)}")
        )
    if wrong:
        raise typer.Exit(1)


def _why(kernel: str, *, whole: bool) -> str:
    if kernel != KERNEL:
        return f"; it was judged by {kernel}, this is {KERNEL}"
    return "" if whole else "; more readings moved it than the step could name"


def _files(paths: list[Path]) -> list[Path]:
    for path in paths:
        if not path.exists():
            raise OperatorError(f"no file {path}", "check the path")
    files = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not files:
        raise OperatorError(f"no rule in {', '.join(map(str, paths))}", "rules are files named *.yaml")
    return files


def _find(given: Settings, name: str) -> Version:
    """A rule by its file or its name; raises OperatorError or RuleError."""
    if Path(name).suffix == ".yaml":
        return rulebook.read_limits(Path(name))
    folders = [rulebook.SHIPPED, *([Path(given.rules)] if given.rules else [])]
    used = rulebook.with_limits(rulebook.load(*folders))
    found = next((version for version in used if version.rule.rule == name), None)
    if found is None:
        raise OperatorError(
            f"no rule {name}",
            f"name a file (*.yaml), or one of {', '.join(version.rule.rule for version in used)}",
        )
    return found


def _registered(given: Settings) -> list[Subject] | None:
    """What the registered devices measure; None where no hub is running that could say."""
    try:
        with connect(given) as connection:
            return registered(connection)
    except (OperatorError, psycopg.Error):
        return None


def _possible(given: Settings) -> list[Subject]:
    """The metrics of all profiles: what any device could measure."""
    folders = [profile.SHIPPED, *([Path(given.profiles)] if given.profiles else [])]
    return [
        Subject(0, metric, one.profile.profile, "", "", unit=measured.unit)
        for folder in folders
        for one in profile.load(folder)
        for metric, measured in one.profile.all_metrics.items()
    ]


def _may_speak_of(rule: Rule | NoData, subject: Subject) -> bool:
    asked = rule.applies_to
    return asked.metric in {None, subject.metric} and asked.profile in {None, subject.profile}


def _limits(rule: Rule | NoData) -> str:
    if isinstance(rule, NoData):
        return (
            f"{rule.level} after {rule.after_intervals:g} intervals of silence, {rule.after_s:g} s at least"
        )
    said = [
        f"{side} {', '.join(f'{level} {limit:g}' for level, limit in limits.items())}"
        for side, limits in (("above", rule.above), ("below", rule.below))
        if limits
    ]
    for side in ("rise", "fall"):
        change = getattr(rule, side)
        if change is not None:
            limits = ", ".join(f"{level} {limit:g}" for level, limit in change.limits.items())
            said.append(f"{side} within {change.within_s:g} s {limits}")
    if rule.between is not None:
        said.append("as shares")
    if rule.single:
        said.append(f"other limits for {', '.join(rule.single)}")
    return "; ".join(said)


def _names(subjects: list[Subject]) -> str:
    shown = [f"{subject.device or subject.profile} {subject.metric}" for subject in subjects[:5]]
    return ", ".join(shown) + (", ..." if len(subjects) > len(shown) else "")
