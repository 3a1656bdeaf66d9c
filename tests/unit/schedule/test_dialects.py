"""What only other schedulers understand is refused with the reason and what to write instead."""

import pytest

from runner.schedule import ScheduleError, parse_schedule


@pytest.mark.parametrize(
    ("text", "wrong", "message", "fix"),
    [
        ("0 9 ? * 1", "?", "Quartz", "*"),
        ("0 9 * * 5#2", "#", "n-th weekday", None),
        ("0 9 * * fri#2", "#", "n-th weekday", None),
        ("0 9 L * *", "L", "last day", None),
        ("0 9 l * *", "l", "last day", None),
        ("0 9 L-3 * *", "L-3", "last day", None),
        ("0 9 * * 5L", "5L", "last day", None),
        ("0 9 * * L5", "L5", "last day", None),
        ("0 9 15W * *", "15W", "nearest weekday", None),
        ("0 9 1,LW * *", "LW", "nearest weekday", None),
        ("R 9 * * *", "R", "random", "H"),
        ("R(0-29) 9 * * *", "R(0-29)", "random", "H(0-29)"),
        ("r/15 * * * *", "r/15", "random", "H/15"),
        ("0~30 9 * * *", "~", "random", None),
    ],
)
def test_a_foreign_notation_is_refused_with_a_reason(text, wrong, message, fix):
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(text)
    (mistake,) = refusal.value.mistakes
    assert mistake.rule == "schedule-unsupported"
    assert text[mistake.start : mistake.end] == wrong
    assert message in mistake.message
    assert mistake.fix == fix
    assert mistake.help
