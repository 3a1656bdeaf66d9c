"""Switching a job on and off in its file while a runner looks on."""

TEXT = "id: tick\nname: Tick  # a name\nmode: cron\nschedule: '@daily'\n"


def state(place) -> dict:
    return place.jobsd("show", "tick", "--format", "json").json


def test_an_edit_of_the_file_by_command_takes_effect_in_the_runner(place):
    path = place.write("tick.yaml", TEXT)
    with place.up():
        done = place.jobsd("disable", "tick", "--write")
        assert (done.code, done.out) == (0, "wrote jobs.d/tick.yaml:5: tick is disabled\n")
        assert path.read_text() == TEXT + "enabled: false\n"
        found = place.eventually(lambda: (now := state(place))["enabled"] is False and now)
        assert "next_run" not in found

        done = place.jobsd("enable", "tick")
        assert done.code == 4
        assert done.err == "jobsd: job tick is disabled in jobs.d/tick.yaml:5; use --write to change the file\n"
        assert place.jobsd("run", "tick").code == 4

        assert place.jobsd("enable", "tick", "--write").out == "wrote jobs.d/tick.yaml:5: tick is enabled\n"
        found = place.eventually(lambda: (now := state(place))["enabled"] is True and now)
        assert found["schedule_in_words"] == "at 00:00 every day, UTC"
        assert (
            found["next_run"]
            == place.jobsd("next", "tick", "-n", "1", "--format", "json").json[0]["scheduled_for"]
        )
