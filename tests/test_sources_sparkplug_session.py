"""Sparkplug sessions: births, aliases, order, deaths, and whom the host asks for a rebirth."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import pytest
from sparkplug_wire import metric, nbirth, ndeath, payload, properties, template

from edge.wire import Malformed
from ingest.sources.said import Said
from ingest.sources.sparkplug.node import HELD_LIMIT
from ingest.sources.sparkplug.source import Limits, Sparkplug

T0 = 1_780_000_000_000  # ms
US = T0 * 1000
S = 1_000_000
NODE = "city/pump-7"


def topic(kind: str, device: str = "", node: str = NODE) -> str:
    group, edge = node.split("/")
    return f"spBv1.0/{group}/{kind}/{edge}" + (f"/{device}" if device else "")


class Field:
    """A source, and a clock that tells when what arrives; what is said is gathered by address and metric."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.source = Sparkplug(limits or Limits())
        self.now_us = US

    def send(self, kind: str, content: bytes, device: str = "", node: str = NODE) -> list[Said]:
        return self.source.read(topic(kind, device, node), content, self.now_us)

    def born(self, *metrics: bytes, bdseq: int = 0, seq: int = 0, node: str = NODE) -> list[Said]:
        return self.send("NBIRTH", nbirth(*metrics, at=self.now_us // 1000, bdseq=bdseq, seq=seq), node=node)

    def level(self, number: float, seq: int, *, at: int = T0) -> list[Said]:
        return self.send(
            "NDATA", payload(metric(None, "Double", number, alias=1, at=at, said=False), at=at, seq=seq)
        )

    def later(self, seconds: float) -> list[str]:
        self.now_us += int(seconds * S)
        return self.source.tick(self.now_us)


LEVEL = metric("Level", "Double", 1.5, alias=1, at=T0)


def values(said: list[Said]) -> dict[str, float]:
    return {f"{one.address}:{name}": value for one in said for name, _, value, _ in one.samples}


def notes(said: list[Said]) -> str:
    return "; ".join(note for one in said for note in one.notes)


def started() -> Field:
    """A node born with a level under alias 1, and nobody to be asked."""
    field = Field()
    field.born(LEVEL)
    assert field.later(1) == []
    return field


def test_a_birth_says_that_its_node_is_online_and_what_it_measures() -> None:
    said = Field().born(LEVEL)
    assert values(said) == {f"{NODE}:online": 1.0, f"{NODE}:level": 1.5}
    assert [at for one in said for _, at, _, _ in one.samples] == [US, US]
    assert notes(said) == ""


def test_data_by_alias_alone_means_what_the_birth_said() -> None:
    said = started().level(2.25, 1, at=T0 + 7)
    assert [(one.address, one.samples) for one in said] == [(NODE, [("level", US + 7000, 2.25, None)])]


def test_a_negative_number_needs_the_datatype_of_its_birth() -> None:
    field = Field()
    field.born(*(metric(f"M{width}", f"Int{width}", 0, alias=width) for width in (8, 16, 32, 64)))
    said = field.send(
        "NDATA",
        payload(
            *(metric(None, f"Int{width}", -width, alias=width, said=False) for width in (8, 16, 32, 64)),
            seq=1,
        ),
    )
    assert values(said) == {f"{NODE}:m{width}": -width for width in (8, 16, 32, 64)}


def test_a_metric_without_time_has_that_of_its_payload_and_else_that_of_its_arrival() -> None:
    field = started()
    said = field.send("NDATA", payload(metric(None, "Double", 1.0, alias=1, said=False), at=T0 + 5, seq=1))
    assert said[0].samples[0][1] == US + 5000
    said = field.send("NDATA", payload(metric(None, "Double", 1.0, alias=1, said=False), seq=2))
    assert said[0].samples[0][1] == field.now_us


def test_devices_have_aliases_of_their_own_and_share_the_order_with_their_node() -> None:
    field = started()
    birth = payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1)
    assert values(field.send("DBIRTH", birth, "meter")) == {
        f"{NODE}/meter:online": 1.0,
        f"{NODE}/meter:flow": 3.0,
    }
    data = payload(metric(None, "Float", 4.0, alias=1, said=False), at=T0, seq=2)
    assert values(field.send("DDATA", data, "meter")) == {f"{NODE}/meter:flow": 4.0}
    assert values(field.level(9.0, 3)) == {f"{NODE}:level": 9.0}
    assert field.later(60) == []


def test_the_order_goes_round_after_255() -> None:
    field = Field()
    field.born(LEVEL, seq=254)
    for seq in (255, 0, 1):
        assert field.level(seq, seq)
    assert field.later(60) == []


def test_control_a_number_left_out_at_the_turn_of_the_round_is_noticed() -> None:
    field = Field()
    field.born(LEVEL, seq=254)
    field.level(1, 255)
    assert field.level(2, 1) == []
    assert field.later(6) == [NODE]


@pytest.mark.parametrize("order", list(permutations((1, 2, 3)))[1:])
def test_messages_out_of_order_are_put_in_order_while_the_timer_runs(order: tuple[int, ...]) -> None:
    field = started()
    said = [one for seq in order for one in field.level(seq * 10.0, seq, at=T0 + seq)]
    assert [sample[2] for one in said for sample in one.samples] == [10.0, 20.0, 30.0]
    assert field.later(60) == []  # the timer was stopped


def test_a_birth_of_a_device_that_comes_late_is_read_before_its_data() -> None:
    field = started()
    data = payload(metric(None, "Int16", -5, alias=9, said=False), at=T0, seq=2)
    assert field.send("DDATA", data, "meter") == []
    said = field.send("DBIRTH", payload(metric("Tilt", "Int16", 0, alias=9), at=T0 - 9, seq=1), "meter")
    assert [s[2] for one in said for s in one.samples if s[0] == "tilt"] == [0.0, -5.0]
    assert field.later(60) == []


def test_a_missing_message_is_waited_for_and_then_the_node_is_asked_for_a_rebirth() -> None:
    field = started()
    assert field.level(30.0, 3) == []
    assert field.later(4) == []  # of the five seconds
    assert field.later(1.1) == [NODE]
    # What has come is not lost, nor kept for ever: it comes with the next message.
    assert values(field.level(40.0, 4)) == {f"{NODE}:level": 40.0}
    field.born(LEVEL)
    assert field.later(3600) == []


def test_what_was_held_when_the_wait_ended_comes_before_what_follows() -> None:
    field = started()
    field.level(30.0, 3, at=T0 + 3)
    field.later(6)
    said = field.level(40.0, 4, at=T0 + 4)
    assert [sample[2] for one in said for sample in one.samples] == [30.0, 40.0]


def test_the_reorder_timeout_is_a_parameter() -> None:
    field = Field(Limits(reorder_s=60))
    field.born(LEVEL)
    field.level(30.0, 3)
    assert field.later(59) == []
    assert field.later(2) == [NODE]


def test_a_message_that_comes_twice_starts_the_timer_and_the_next_one_ends_it() -> None:
    field = started()
    field.level(1.0, 1)
    assert values(field.level(1.0, 1)) == {
        f"{NODE}:level": 1.0
    }  # a duplicate by its time, for the table to know
    field.level(2.0, 2)
    assert field.later(60) == []


def test_a_birth_or_death_that_comes_too_late_is_not_believed() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "meter")
    said = field.send("DDEATH", payload(at=T0, seq=1), "meter")
    assert values(said) == {}
    assert "not taken" in notes(said)


def test_more_held_messages_than_may_be_end_the_wait() -> None:
    field = started()
    said = [one for seq in range(2, HELD_LIMIT + 3) for one in field.level(float(seq), seq)]
    assert [sample[2] for one in said for sample in one.samples] == [
        float(s) for s in range(2, HELD_LIMIT + 3)
    ]
    assert field.later(0) == [NODE]


def test_held_messages_of_all_nodes_together_have_a_bound() -> None:
    field = Field(Limits(held=100))
    field.born(LEVEL)
    held = 0
    for seq in range(2, 40):
        held += not field.level(float(seq), seq)
    assert 0 < held < 10


@pytest.mark.parametrize("alias", [77, None], ids=["unknown alias", "no name at all"])
def test_data_that_no_birth_explains_are_noted_and_a_rebirth_is_asked_for(alias: int | None) -> None:
    field = started()
    said = field.send("NDATA", payload(metric(None, "Int32", 7, alias=alias, said=False), at=T0, seq=1))
    assert values(said) == {}
    assert "no birth explains it" in notes(said)
    assert field.later(0) == [NODE]


def test_a_node_whose_birth_was_not_heard_is_asked_and_what_explains_itself_is_taken() -> None:
    field = Field()
    said = field.send(
        "NDATA",
        payload(metric("Level", "Double", 2.0, alias=1, said=False), metric(None, "Int8", 1, alias=2), seq=9),
    )
    assert values(said) == {f"{NODE}:level": 2.0}
    assert "alias 2" in notes(said)
    assert field.later(0) == [NODE]


def test_a_signed_number_without_birth_is_not_guessed_at() -> None:
    said = Field().send("NDATA", payload(metric("Tilt", "Int8", -3, said=False), seq=9))
    assert values(said) == {}


def test_a_death_takes_node_and_devices_offline_at_the_hubs_time_and_no_metric_keeps_a_value() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "meter")
    said = field.send("NDEATH", ndeath(0, at=T0 - 3_600_000))
    assert {one.address for one in said} == {NODE, f"{NODE}/meter"}
    assert {f"{one.address}:{name}": at for one in said for name, at, _, _ in one.samples} == {
        f"{NODE}:online": field.now_us,
        f"{NODE}:level": field.now_us,
        f"{NODE}/meter:online": field.now_us,
        f"{NODE}/meter:flow": field.now_us,
    }
    found = values(said)
    assert found[f"{NODE}:online"] == found[f"{NODE}/meter:online"] == 0
    assert math.isnan(found[f"{NODE}:level"])
    assert math.isnan(found[f"{NODE}/meter:flow"])


def test_after_a_death_an_alias_means_nothing_until_the_next_birth() -> None:
    field = started()
    field.send("NDEATH", ndeath(0))
    assert values(field.level(5.0, 1)) == {}
    assert field.later(0) == [NODE]
    field.born(LEVEL, bdseq=1)
    assert values(field.level(5.0, 1)) == {f"{NODE}:level": 5.0}


@pytest.mark.parametrize("content", [ndeath(5), payload(at=T0)], ids=["another bdSeq", "no bdSeq"])
def test_a_death_of_another_session_is_ignored(content: bytes) -> None:
    field = Field()
    field.born(LEVEL, bdseq=6)
    said = field.send("NDEATH", content)
    assert values(said) == {}
    assert "ignored" in notes(said)
    assert values(field.level(5.0, 1)) == {f"{NODE}:level": 5.0}


def test_the_will_of_the_session_before_comes_after_the_new_birth_and_changes_nothing() -> None:
    field = Field()
    field.born(LEVEL, bdseq=255)
    field.born(LEVEL, bdseq=0)
    assert values(field.send("NDEATH", ndeath(255))) == {}
    assert values(field.send("NDEATH", ndeath(0)))[f"{NODE}:online"] == 0


def test_a_death_of_a_node_that_was_never_heard_is_told() -> None:
    assert values(Field().send("NDEATH", ndeath(3))) == {f"{NODE}:online": 0.0}


def test_a_device_dies_alone_and_at_the_time_of_its_payload() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "meter")
    (said,) = field.send("DDEATH", payload(at=T0 + 60_000, seq=2), "meter")
    assert said.address == f"{NODE}/meter"
    assert [(name, at) for name, at, _, _ in said.samples] == [("online", US + 60 * S), ("flow", US + 60 * S)]
    assert said.samples[0][2] == 0
    assert math.isnan(said.samples[1][2])
    assert values(field.level(5.0, 3)) == {f"{NODE}:level": 5.0}


def test_a_death_in_the_very_millisecond_of_the_last_value_does_not_contradict_it() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1, at=T0), at=T0, seq=1), "meter")
    (said,) = field.send("DDEATH", payload(at=T0, seq=2), "meter")
    assert [at for name, at, _, _ in said.samples if name == "flow"] == [US + 1]


def test_a_device_that_the_births_of_a_new_session_leave_out_is_gone() -> None:
    field = started()
    for seq, device in enumerate(("meter", "valve"), 1):
        field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=seq), device)
    field.born(LEVEL, bdseq=1)
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "valve")
    found = values(field.level(1.0, 2))
    assert found[f"{NODE}/meter:online"] == 0
    assert f"{NODE}/valve:online" not in found
    assert values(field.level(1.0, 3)) == {f"{NODE}:level": 1.0}


def test_history_is_told_apart_from_what_is_live() -> None:
    field = started()
    old = metric(None, "Double", 0.5, alias=1, at=T0 - 1000, said=False, historical=True)
    new = metric(None, "Double", 0.75, alias=1, at=T0 + 1000, said=False)
    said = field.send("NDATA", payload(old, new, at=T0, seq=1))
    assert [(one.late, one.samples[0][2]) for one in said] == [(False, 0.75), (True, 0.5)]


def test_a_null_and_a_bad_or_stale_quality_are_missing_values() -> None:
    field = started()
    found = [
        field.send(
            "NDATA",
            payload(metric(None, "Double", given, alias=1, said=False, null=null, properties=said), seq=seq),
        )
        for seq, (given, null, said) in enumerate(
            [(None, True, b""), (1.0, False, properties(Quality=0)), (1.0, False, properties(Quality=500))], 1
        )
    ]
    assert all(math.isnan(values(said)[f"{NODE}:level"]) for said in found)
    good = payload(
        metric(None, "Double", 1.0, alias=1, said=False, properties=properties(Quality=192)), seq=4
    )
    assert values(field.send("NDATA", good)) == {f"{NODE}:level": 1.0}
    odd = payload(metric(None, "Double", 1.0, alias=1, said=False, properties=properties(Quality=64)), seq=5)
    said = field.send("NDATA", odd)
    assert values(said) == {f"{NODE}:level": 1.0}
    assert "quality 64" in notes(said)


def test_a_metric_with_neither_value_nor_null_is_noted() -> None:
    said = started().send("NDATA", payload(metric(None, None, alias=1), seq=1))
    assert values(said) == {}
    assert "neither a value nor is_null" in notes(said)


def test_the_unit_of_the_birth_stands_for_all_that_follows() -> None:
    field = Field()
    field.born(metric("T", "Double", 1.0, alias=1, properties=properties(engUnit="°C")))
    assert field.level(2.0, 1)[0].samples == [("t", US, 2.0, "Cel")]


def test_a_unit_that_nobody_knows_is_noted_and_its_value_taken() -> None:
    said = Field().born(metric("T", "Double", 1.0, properties=properties(engUnit="furlong")))
    assert "T in furlong" in notes(said)
    assert [sample for one in said for sample in one.samples if sample[0] == "t"] == [("t", US, 1.0, None)]


def test_what_is_no_number_is_noted_once_at_birth_and_not_again() -> None:
    field = Field()
    said = field.born(
        LEVEL, metric("Make", "String", "Acme", alias=2), metric("Clock", "DateTime", T0, alias=3)
    )
    assert "no numbers: Make (String), Clock (DateTime)" in notes(said)
    again = field.send("NDATA", payload(metric(None, "String", "Acme", alias=2, said=False), seq=1))
    assert again == []
    assert field.later(60) == []


def test_what_is_transient_is_not_stored() -> None:
    said = Field().born(metric("Trace", "Double", 1.0, transient=True))
    assert values(said) == {f"{NODE}:online": 1.0}
    assert "transient" in notes(said)


def test_two_metrics_of_one_name_here_are_not_mixed() -> None:
    said = Field().born(metric("A/B", "Double", 1.0), metric("A-B", "Double", 2.0))
    assert values(said) == {f"{NODE}:online": 1.0, f"{NODE}:a-b": 1.0}
    assert "A-B and A/B" in notes(said)


def test_a_metric_called_online_does_not_speak_for_the_hub() -> None:
    said = Field().born(metric("Online", "Boolean", False))
    assert values(said) == {f"{NODE}:online": 1.0}
    assert "same name here" in notes(said)


def test_an_alias_used_twice_keeps_its_first_meaning_and_is_noted() -> None:
    field = Field()
    said = field.born(LEVEL, metric("Flow", "Double", 2.0, alias=1))
    assert "alias used twice" in notes(said)
    assert values(field.level(5.0, 1)) == {f"{NODE}:level": 5.0}


def test_members_of_a_template_are_metrics_under_its_name() -> None:
    field = Field()
    definition = template(metric("Speed", "Int32", None), metric("Hot", "Boolean", None), definition=True)
    instance = template(metric("Speed", "Int32", -7), metric("Hot", "Boolean", True), ref="Motor")
    said = field.born(
        metric("Motor", "Template", definition), metric("Pump 1", "Template", instance, alias=4, at=T0 + 1)
    )
    assert values(said) == {f"{NODE}:online": 1.0, f"{NODE}:pump-1-speed": -7.0, f"{NODE}:pump-1-hot": 1.0}
    assert {sample[1] for one in said for sample in one.samples if sample[0] != "online"} == {US + 1000}
    part = template(metric("Speed", "Int32", -8, said=False), ref="Motor")
    data = payload(metric(None, "Template", part, alias=4, said=False), at=T0, seq=1)
    assert values(field.send("NDATA", data)) == {f"{NODE}:pump-1-speed": -8.0}
    assert field.later(60) == []


def test_an_array_of_numbers_is_a_series_for_each_place_and_all_are_stale_after_death() -> None:
    field = Field()
    said = field.born(metric("Lanes", "Int8Array", bytes.fromhex("E97B"), alias=1))
    assert values(said) == {f"{NODE}:online": 1.0, f"{NODE}:lanes-1": -23.0, f"{NODE}:lanes-2": 123.0}
    dead = values(field.send("NDEATH", ndeath(0)))
    assert math.isnan(dead[f"{NODE}:lanes-1"])
    assert math.isnan(dead[f"{NODE}:lanes-2"])


def test_a_long_array_is_noted() -> None:
    said = Field().born(metric("Wave", "UInt8Array", bytes(1000)))
    assert values(said) == {f"{NODE}:online": 1.0}
    assert "an array of 1000" in notes(said)


@pytest.mark.parametrize("given", [("Int8", 300), ("UInt8", 256), ("Boolean", None)])
def test_a_value_beyond_its_datatype_is_noted_and_its_neighbours_are_taken(
    given: tuple[str, int | None],
) -> None:
    said = Field().born(metric("Bad", *given), LEVEL)
    assert values(said) == {f"{NODE}:online": 1.0, f"{NODE}:level": 1.5}
    assert "Bad: " in notes(said)


def test_a_message_without_sequence_number_is_taken_and_noted() -> None:
    field = started()
    said = field.send("NDATA", payload(metric(None, "Double", 2.0, alias=1, said=False)))
    assert values(said) == {f"{NODE}:level": 2.0}
    assert "order is unknown" in notes(said)


def test_commands_and_other_hosts_say_nothing_measurable() -> None:
    source = Sparkplug()
    for other in ("spBv1.0/city/NCMD/pump-7", "spBv1.0/city/DCMD/pump-7/meter", "spBv1.0/STATE/scada"):
        assert source.read(other, b"{}", US) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "spBv1.0/city/NDATA",
        "spBv1.0/city/NDATA/pump/meter",
        "spBv1.0/city/DDATA/pump",
        "spBv1.0/city/NDATA//",
        "spBv1.0/city/DDATA/pump/meter/more",
        "spBv1.0/city/NSHOUT/pump",
        "spAv1.0/city/NDATA/pump",
        "spBv1.0",
    ],
)
def test_a_topic_that_is_none_is_malformed(wrong: str) -> None:
    with pytest.raises(Malformed, match="Sparkplug"):
        Sparkplug().read(wrong, payload(seq=0), US)


def test_ten_thousand_nodes_after_a_start_are_asked_a_few_at_a_time_and_each_once() -> None:
    field = Field(Limits(rebirths_per_s=50))
    field.source.ask((f"city/n{number}" for number in range(10_000)), field.now_us)
    asked: list[str] = []
    for _ in range(200):
        turn = field.later(1)
        assert len(turn) <= 50
        # Those that answer are not asked again; nobody here must answer for the others to have their turn.
        asked += turn
        for address in turn:
            field.born(LEVEL, node=address)
    assert len(set(asked)) == len(asked) == 10_000


def test_who_does_not_answer_is_asked_less_and_less_often() -> None:
    field = Field()
    field.level(1.0, 1)
    times = [second for second in range(3 * 3600) if field.later(1)]
    gaps = [b - a for a, b in pairwise(times)]
    assert len(times) <= 12
    assert gaps == sorted(gaps)
    assert gaps[0] >= 10


def test_who_is_born_and_at_once_gives_cause_again_waits_longer_each_time() -> None:
    field = Field()
    times = []
    for second in range(1000):
        field.born(LEVEL)
        field.send("NDATA", payload(metric(None, "Int32", 1, alias=99, said=False), at=T0, seq=1))
        if field.later(1):
            times.append(second)
    assert len(times) <= 8


def test_after_the_hub_was_away_the_nodes_are_asked_that_were_not_born_since() -> None:
    field = started()
    back_us = field.now_us
    field.now_us += S
    field.born(LEVEL, node="city/new")
    field.source.missed(back_us, field.now_us)
    assert field.later(1) == [NODE]


def test_a_full_house_forgets_the_dead_and_refuses_newcomers_when_all_live() -> None:
    field = Field(Limits(nodes=10))
    for number in range(10):
        field.born(LEVEL, node=f"city/n{number}")
    with pytest.raises(Malformed, match="no room"):
        field.born(LEVEL, node="city/new")
    field.send("NDEATH", ndeath(0), node="city/n3")
    field.now_us += 11 * S
    assert field.born(LEVEL, node="city/new")
    assert field.born(LEVEL, node="city/n4")


def test_an_impostor_who_invents_nodes_does_not_push_the_living_out() -> None:
    field = Field(Limits(nodes=50))
    field.born(LEVEL)
    for number in range(1000):
        field.send("NDATA", payload(metric("L", "Double", 1.0), seq=1), node=f"city/x{number}")
    assert len(field.source._nodes) <= 50
    assert values(field.level(3.0, 1)) == {f"{NODE}:level": 3.0}


def test_metrics_of_all_nodes_together_have_a_bound_and_deaths_make_room() -> None:
    field = Field(Limits(metrics=10))
    field.born(LEVEL)  # with bdSeq and Rebirth
    field.born(LEVEL, node="city/b")
    birth = [metric(f"M{number}", "Double", 1.0) for number in range(7)]
    with pytest.raises(Malformed, match="more than 10 metrics"):
        field.born(*birth, node="city/c")
    field.send("NDEATH", ndeath(0))
    field.send("NDEATH", ndeath(0), node="city/b")
    assert field.born(*birth, node="city/c")
    assert field.source._metrics == field.source._nodes["city/c"].metrics


def test_a_death_that_is_ignored_does_not_end_the_wait_for_a_missing_message() -> None:
    field = started()
    field.level(30.0, 3)
    field.send("NDEATH", ndeath(9))
    said = field.level(10.0, 1, at=T0 + 1)
    assert values(said) == {f"{NODE}:level": 10.0}  # 3 still waits for 2
    assert values(field.level(20.0, 2, at=T0 + 2)) == {f"{NODE}:level": 30.0}
    assert field.later(60) == []


def test_what_is_held_at_a_death_belongs_to_the_session_that_ends() -> None:
    field = started()
    field.level(30.0, 3)
    said = field.send("NDEATH", ndeath(0))
    assert next((name, value) for one in said for name, _, value, _ in one.samples) == ("level", 30.0)
    assert values(said)[f"{NODE}:online"] == 0
    assert field.source._held == 0


def test_where_a_birth_may_have_been_missed_no_device_is_called_gone() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "meter")
    field.born(LEVEL, bdseq=1)
    field.level(20.0, 2)  # 1 may have been the birth of the meter
    assert field.later(6) == [NODE]
    assert values(field.level(30.0, 3)) == {f"{NODE}:level": 30.0}


def test_a_metric_of_a_lying_clock_does_not_put_its_death_into_the_future() -> None:
    field = started()
    field.level(1.0, 1, at=T0 + 10**10)
    said = field.send("NDEATH", ndeath(0))
    assert [at for one in said for name, at, _, _ in one.samples if name == "level"] == [field.now_us]


def test_times_beyond_all_calendars_stay_within_64_bits() -> None:
    said = Field().send("NBIRTH", payload(metric("L", "Double", 1.0, at=2**64 - 1), at=2**64 - 1, seq=0))
    assert all(at < 2**63 for one in said for _, at, _, _ in one.samples)


def test_a_message_full_of_riddles_makes_a_few_notes() -> None:
    field = started()
    said = field.send("NDATA", payload(*(metric(None, "Int8", 1, alias=a) for a in range(100, 5000)), seq=1))
    assert sum(len(one.notes) for one in said) == 21
    assert "4880 more" in notes(said)


def test_a_birth_full_of_texts_makes_one_note() -> None:
    said = Field().born(*(metric(f"Text {number}", "String", "x") for number in range(1000)))
    assert len(said[0].notes) == 1
    assert "and 995 more" in notes(said)


def test_devices_behind_one_node_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.sources.sparkplug.node.DEVICES_LIMIT", 3)
    field = started()
    for number in range(1, 6):
        said = field.send("DBIRTH", payload(at=T0, seq=number), f"d{number}")
        assert bool(values(said)) == (number <= 3)
    assert "more than 3 devices" in notes(said)


def test_what_one_message_says_of_one_device_comes_in_one_piece() -> None:
    field = started()
    for seq in (2, 3, 4):
        field.level(float(seq), seq, at=T0 + seq)
    said = field.level(1.0, 1, at=T0 + 1)
    assert [one.address for one in said] == [NODE]
    assert len(said[0].samples) == 4


def test_a_device_that_is_born_again_may_give_its_aliases_other_meanings() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "meter")
    field.send("DBIRTH", payload(metric("Tilt", "Float", 4.0, alias=1), at=T0, seq=2), "meter")
    data = payload(metric(None, "Float", 5.0, alias=1, said=False), at=T0, seq=3)
    assert values(field.send("DDATA", data, "meter")) == {f"{NODE}/meter:tilt": 5.0}


def test_data_of_a_device_that_has_died_ask_for_a_rebirth() -> None:
    field = started()
    field.send("DBIRTH", payload(metric("Flow", "Float", 3.0, alias=1), at=T0, seq=1), "meter")
    field.send("DDEATH", payload(at=T0, seq=2), "meter")
    said = field.send("DDATA", payload(metric(None, "Float", 5.0, alias=1, said=False), seq=3), "meter")
    assert values(said) == {}
    assert field.later(0) == [NODE]
