"""随仓库发的权重：是 16 位的那一份，没有过时；脚本改了要重做，证明了没变的不用。"""

import pytest
import torch

import course
import results
import runner
import ship


def test_it_is_current():
    assert ship.stale(results.load()) == []
    saved = torch.load(ship.FILE, weights_only=True)
    assert ship.FILE.stat().st_size < 4e6 and "⑲" in saved["chars"] == sorted(saved["chars"])
    assert {value.dtype for value in saved["model"].values()} == {torch.float16}
    assert saved["model"]["lm_head.weight"].data_ptr() == saved["model"]["token_embedding.weight"].data_ptr()
    assert (
        sum({value.data_ptr(): value.numel() for value in saved["model"].values()}.values())
        == results.first(results.load(), course.base_of(ship.SCRIPT).file)["parameters"]
    )


def test_halved_keeps_what_is_shared(tmp_path):
    shared, other = torch.randn(3, 4), torch.randn(2)
    saved = {"config": {"n_embed": 4}, "chars": ["春"], "model": {"a": shared, "b": shared, "c": other}}
    halves = ship.halved(saved)
    assert halves["config"] == saved["config"] and halves["model"]["a"].data_ptr() == halves["model"]["b"].data_ptr()
    for key, value in saved["model"].items():
        assert halves["model"][key].dtype == torch.float16
        torch.testing.assert_close(halves["model"][key].float(), value, rtol=1e-3, atol=1e-4)


def test_stale(tmp_path, monkeypatch):
    measured = {key: results.load()[key] for key in ("shipped", "poem")}
    file = tmp_path / "write.pth"
    file.write_bytes(ship.FILE.read_bytes())
    monkeypatch.setattr(ship, "FILE", file)
    assert ship.stale(measured) == []
    assert "python tools/ship.py --poem" in str(*ship.stale({**measured, "poem": {"stamp": ["别的", "别的"]}}))
    file.write_bytes(b"torn")
    assert "和记录的不一样" in str(ship.stale(measured)[0])
    file.unlink()
    assert "和记录的不一样" in str(ship.stale(measured)[0])
    assert "请运行 python tools/ship.py" in str(ship.stale({})[0])
    measured["shipped"]["stamp"] = runner.stamp(ship.SCRIPT, {course.base_of(ship.SCRIPT).file: "0" * 16})
    assert "改了" in str(ship.stale(measured)[0]), "接着学的那一份改了，也算"


@pytest.mark.slow
def test_the_poem_on_the_first_screen_is_what_it_writes():
    """README 头一屏的词，随仓库发的权重再写一遍，一字不差。"""
    assert ship.poem() == results.load()["poem"]
