"""How engines went, counted once each."""

from dataclasses import replace

from pipeline.engine_log import SIGN_OF_LIFE_S, EngineLog, EngineSign
from pipeline.interruptions import EVENTS_KEPT, Interruption, Interruptions

HERE = EngineSign("node-1", "small", silent_s=1.0)
TOLD = Interruption("node-1", "small", noticed_unix_s=100.0, deadline_unix_s=220.0)


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
    assert its.events == (Interruption("node-1", "small", ended_unix_s=140.0, is_lost=True),)


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
    many = {f"e{n}": replace(TOLD, documents=n) for n in range(EVENTS_KEPT + 50)}
    log.note(dict.fromkeys(many, HERE), many, (), 101.0)
    its = log.interruptions()
    assert (its.notices, len(its.events)) == (EVENTS_KEPT + 50, EVENTS_KEPT)
    assert its.events[-1].documents == EVENTS_KEPT + 49
    both = its + its
    assert (both.notices, len(both.events)) == (2 * its.notices, EVENTS_KEPT)
