"""How engines went, counted once each."""

from dataclasses import replace

from pipeline.engine_log import SIGN_OF_LIFE_S, EngineLog, EngineSign
from pipeline.interruptions import EVENTS_KEPT, Interruption, Interruptions

HERE = EngineSign("node-1", "small", silent_s=1.0)
TOLD = Interruption("e", "node-1", "small", noticed_unix_s=100.0, deadline_unix_s=220.0)


def test_an_engine_that_was_told_and_left_is_a_notice_and_no_loss() -> None:
    log = EngineLog()
    log.note({"e": HERE}, {"e": TOLD}, (), 101.0)
    left = replace(TOLD, ended_unix_s=130.0, documents=40, output_tokens=900, used_s=28.0)
    log.note({"e": HERE}, {"e": left}, (), 131.0)
    log.note({"e": HERE}, {"e": left}, {"node-1"}, 140.0)
    its = log.interruptions()
    assert (its.notices, its.losses, its.longest_drain_s) == (1, 0, 30.0)
    assert (its.finished_under_notice, its.tokens_under_notice, its.used_s) == (40, 900, 28.0)
    assert its.events == (left,)


def test_an_engine_whose_node_died_before_it_was_empty_is_a_loss() -> None:
    log = EngineLog()
    log.note({"e": HERE}, {"e": TOLD}, (), 101.0)
    log.note({"e": HERE}, {"e": TOLD}, {"node-1"}, 140.0)
    its = log.interruptions()
    assert (its.notices, its.losses, its.longest_drain_s) == (1, 1, 0.0)
    assert its.events == (replace(TOLD, is_lost=True, ended_unix_s=140.0),)


def test_an_engine_without_notice_is_a_loss_once() -> None:
    log = EngineLog()
    log.note({"e": HERE}, {}, (), 101.0)
    for seconds in range(3):
        log.note({"e": HERE}, {}, {"node-1", "node-2"}, 140.0 + seconds)
    its = log.interruptions()
    assert (its.notices, its.losses) == (0, 1)
    assert its.events == (Interruption("e", "node-1", "small", ended_unix_s=140.0, is_lost=True),)


def test_an_engine_that_was_gone_long_before_its_node_is_none() -> None:
    log = EngineLog()
    log.note({"e": replace(HERE, silent_s=SIGN_OF_LIFE_S + 1)}, {}, {"node-1"}, 140.0)
    assert log.interruptions() == Interruptions()


def test_a_late_word_does_not_raise_a_lost_engine() -> None:
    log = EngineLog()
    log.note({"e": HERE}, {"e": TOLD}, {"node-1"}, 140.0)
    log.note({"e": HERE}, {"e": TOLD}, (), 141.0)
    assert log.interruptions().losses == 1


def test_a_board_that_forgot_takes_nothing_back() -> None:
    log = EngineLog()
    log.note({"e": HERE}, {"e": TOLD}, (), 101.0)
    log.note({}, {}, (), 102.0)
    assert log.interruptions().notices == 1


def test_sums_go_on_where_events_are_dropped() -> None:
    log = EngineLog()
    over = replace(TOLD, ended_unix_s=130.0)
    many = {f"e{n}": replace(over, engine=f"e{n}", documents=n) for n in range(EVENTS_KEPT + 50)}
    for _ in range(2):
        log.note(dict.fromkeys(many, HERE), many, (), 101.0)
    its = log.interruptions()
    assert (its.notices, len(its.events)) == (EVENTS_KEPT + 50, EVENTS_KEPT)
    assert its.finished_under_notice == sum(range(EVENTS_KEPT + 50))
    assert its.events[-1].documents == EVENTS_KEPT + 49


def test_engines_that_outlive_their_driver_are_counted_once() -> None:
    first = EngineLog()
    first.note({"e": HERE}, {"e": replace(TOLD, documents=5)}, (), 101.0)
    first.note({"f": HERE}, {"f": replace(TOLD, engine="f", ended_unix_s=110.0)}, (), 111.0)
    second = EngineLog(first.interruptions())
    assert second.interruptions() == first.interruptions()
    second.note({"e": HERE}, {"e": replace(TOLD, documents=8, ended_unix_s=130.0)}, (), 131.0)
    its = second.interruptions()
    assert (its.notices, its.finished_under_notice, len(its.events)) == (2, 8, 2)
    assert its.longest_drain_s == 30.0


def test_sums_of_events_that_are_dropped_survive_their_driver() -> None:
    first = EngineLog()
    over = replace(TOLD, ended_unix_s=130.0, documents=1)
    many = {f"e{n}": replace(over, engine=f"e{n}") for n in range(EVENTS_KEPT + 50)}
    first.note({}, many, (), 101.0)
    second = EngineLog(first.interruptions())
    second.note({}, {"x": replace(over, engine="x")}, (), 131.0)
    assert second.interruptions().finished_under_notice == EVENTS_KEPT + 51
