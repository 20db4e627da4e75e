"""Why an alarm of the census stands: clauses with their figures, which any console can say in its language, and in English."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alerts.alarms import Clause
from cityhub.crowd.ground import Watched
from cityhub.crowd.telling import ENOUGH, NOT_FORESEEN_MIN, SECONDS, Known, closer_by_doors, partial
from geo.filling import Filling


def reasons(zone: Watched, known: Known, said: dict[str, float]) -> dict[str, list[Clause]]:
    """By metric: its clauses, the most telling first."""
    found: dict[str, list[Clause]] = {}
    people = _people(zone, known)
    if "full" in said:
        found["full"] = [*people, _by(known), *_pace(said)]
    if "density" in said:
        of_seen = ENOUGH <= known.share < 1 and not closer_by_doors(known)
        seen = {"share": 100 * known.share} if of_seen else {}
        found["density"] = [Clause("density", {"per_m2": said["density"], **seen}), *people]
    if "minutes-to-full" in said:
        soon = _soon(known.filling, said["minutes-to-full"])
        found["minutes-to-full"] = [soon, *people, *_pace(said)]
    if "crowded" in said:
        seen_too = [Clause("seen", {"share": 100 * known.share})] if known.share > 0 else []
        found["crowded"] = [Clause("densest", {"per_m2": said["crowded"]}), *people, *seen_too]
    if "disagree" in said:
        found["disagree"] = [_contradiction(known)] if known.contradicted else people
    for metric in ("intruders", "untimed", "absent", "unheard"):
        if metric in said:
            found[metric] = [Clause(metric, {"n": said[metric]})]
    if "dwelling" in said:
        minutes = (zone.dwell_s or 0) / SECONDS
        found["dwelling"] = [Clause("dwelling", {"n": said["dwelling"], "minutes": minutes})]
    return found


def english(zone: Watched, clauses: Sequence[Clause]) -> str:
    """The same as a sentence."""
    return f"{zone.name}: {', '.join(_clause(clause.say, clause.figures) for clause in clauses)}"


def _clause(say: str, of: dict[str, float]) -> str:  # noqa: PLR0911 -- a dictionary in the order of the clauses
    match say:
        case "people":
            among = f" of {of['of']:,.0f}" if "of" in of else ""
            where = f" in the {of['share']:.0f} % that cameras see" if "share" in of else ""
            return f"{of['n']:,.0f}{among} people{where}"
        case "by-doors":
            return f"counted at its doors, give or take {of['spread']:.0f}"
        case "contradiction":
            return f"{of['cameras']:,.0f} people by the cameras and {of['doors']:,.0f} by the doors, the larger is believed"
        case "pace":
            return f"{abs(of['change']):.0f} {'more' if of['change'] > 0 else 'fewer'} a minute"
        case "density":
            where = f" on the {of['share']:.0f} % of it that cameras see" if "share" in of else ""
            return f"{of['per_m2']:.1f} people per m2{where}"
        case "densest":
            return f"{of['per_m2']:.1f} people per m2 where it is densest"
        case "seen":
            return f"cameras see {of['share']:.0f} % of it"
        case "full-soon":
            return f"full in about {of['minutes']:.0f} min{_span(of)}"
        case "dwelling":
            return f"{of['n']:.0f} inside for longer than {of['minutes']:.0f} min"
        case _:
            return PLAIN[say].format_map(of)


PLAIN = {
    "by-cameras": "counted by cameras",
    "by-positions": "by their positions",
    "full": "full",
    "not-full-soon": "not full within {minutes:.0f} min",
    "intruders": "{n:.0f} inside, and nobody expects them",
    "untimed": "{n:.0f} positions inside came within a minute whose own time is wrong or long past: look who is there",
    "absent": "{n:.0f} missing of those that ought to be inside",
    "unheard": "{n:.0f} of those that ought to be inside not heard for long: nobody knows where they are",
}


def _span(of: dict[str, float]) -> str:
    if "earliest" not in of:
        return ""
    latest = f"{of['latest']:.0f}" if "latest" in of else "much later"
    return f" ({of['earliest']:.0f} to {latest})"


def _contradiction(known: Known) -> Clause:
    return Clause("contradiction", {"cameras": known.seen, "doors": known.doors})


def _soon(filling: Filling, minutes: float) -> Clause:
    reach = filling.full
    if reach is None:
        return Clause("not-full-soon", {"minutes": NOT_FORESEEN_MIN})
    if reach.after_s == 0:
        return Clause("full", {})
    earliest, latest = reach.earliest_s / SECONDS, reach.latest_s / SECONDS
    if latest > 2 * NOT_FORESEEN_MIN:  # much later: nobody waits for that number
        return Clause("full-soon", {"minutes": minutes, "earliest": earliest})
    if round(earliest) == round(latest):
        return Clause("full-soon", {"minutes": minutes})
    return Clause("full-soon", {"minutes": minutes, "earliest": earliest, "latest": latest})


def _people(zone: Watched, known: Known) -> list[Clause]:
    if math.isnan(known.persons):
        return []
    if partial(known.source, known.share):
        return [Clause("people", {"n": known.persons, "share": 100 * known.share})]
    return [Clause("people", {"n": known.persons, **({"of": zone.capacity} if zone.capacity else {})})]


def _by(known: Known) -> Clause:
    if known.contradicted:
        return _contradiction(known)
    if known.source == "cameras":
        return Clause("by-cameras", {})
    if known.source == "doors":
        return Clause("by-doors", {"spread": known.spread})
    return Clause("by-positions", {})


def _pace(said: dict[str, float]) -> list[Clause]:
    change = round(said.get("change", 0))
    return [Clause("pace", {"change": change})] if change else []
