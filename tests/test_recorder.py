import pytest

from nndebug.recorder import Recorder


def test_what_fails_again_and_again_is_reported_once():
    recorder = Recorder(None, {"sites": []})
    with pytest.warns(RuntimeWarning) as caught:
        for _ in range(3):
            recorder.report("the disk is full", OSError("full"))
        recorder.report("something else", OSError("full"))
    assert len(caught) == 2
    assert [event["message"] for event in recorder.run.events] == ["the disk is full", "something else"]
