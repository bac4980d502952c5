"""What Ctrl-C does, by signals sent to this process."""

import signal

import pytest

from jobs.interrupts import StopSwitch


def test_before_anybody_asks_the_first_signal_stops_at_once() -> None:
    said: list[str] = []
    with StopSwitch(lambda: said.append("stopping")), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert said == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watched_switch_goes_on_first_and_then_stops_at_once(number: signal.Signals) -> None:
    said: list[str] = []
    with StopSwitch(lambda: said.append("stopping")) as switch:
        assert not switch.is_on()
        signal.raise_signal(number)
        assert switch.is_on()
        assert said == ["stopping"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_the_handlers_before_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSwitch(lambda: None):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
