"""随仓库发的权重：是 16 位的那一份，没有过时；脚本改了要重做，证明了没变的不用。"""

import pytest
import torch

import helpers  # 先于 ship：它把 tools/ 放进了 sys.path
import export_page
import kept
import measure
import ship
from helpers import V


@pytest.fixture
def earlier():
    """v28 改了之前的指纹：{脚本名: 指纹}。"""
    return {V[28]: "0" * 16}


def test_it_is_current():
    assert ship.stale(measure.load()) == []
    saved = torch.load(ship.FILE, weights_only=True)
    assert ship.FILE.stat().st_size < 4e6 and saved["chars"][-1] in "〈〉①⑲韵藏头 "
    assert {value.dtype for value in saved["model"].values()} == {torch.float16}
    assert saved["model"]["lm_head.weight"].data_ptr() == saved["model"]["token_embedding.weight"].data_ptr()
    assert sum({value.data_ptr(): value.numel() for value in saved["model"].values()}.values()) == measure.first(measure.load(), ship.SCRIPT)["parameters"]


def test_halved_keeps_what_is_shared(tmp_path):
    shared, other = torch.randn(3, 4), torch.randn(2)
    saved = {"config": {"n_embed": 4}, "chars": ["春"], "model": {"a": shared, "b": shared, "c": other}}
    halves = ship.halved(saved)
    assert halves["config"] == saved["config"] and halves["model"]["a"].data_ptr() == halves["model"]["b"].data_ptr()
    for key, value in saved["model"].items():
        assert halves["model"][key].dtype == torch.float16
        torch.testing.assert_close(halves["model"][key].float(), value, rtol=1e-3, atol=1e-4)


def test_stale(tmp_path, monkeypatch, earlier):
    results = {"shipped": measure.load()["shipped"]}
    file = tmp_path / "write.pth"
    file.write_bytes(ship.FILE.read_bytes())
    monkeypatch.setattr(ship, "FILE", file)
    assert ship.stale(results) == []
    file.write_bytes(b"torn")
    assert "和记录的不一样" in ship.stale(results)[0]
    file.unlink()
    assert "和记录的不一样" in ship.stale(results)[0]
    assert "请运行 python tools/ship.py" in ship.stale({})[0]
    results["shipped"]["stamp"] = kept.stamp(ship.SCRIPT, earlier)
    assert "改了" in ship.stale(results)[0], "接着学的那一份改了，也算"


def test_proven_the_same(tmp_path, earlier):
    """v28 改了、证明了一位不差：随仓库发的、网页上的，凡是接着它学的都换上新指纹；别的不动。"""
    results = {"shipped": {"stamp": kept.stamp(ship.SCRIPT, earlier)}}
    ship.confirm(results, earlier)
    assert results["shipped"]["stamp"] == kept.stamp(ship.SCRIPT)
    ship.confirm(other := {"shipped": {"stamp": "别的"}}, earlier)
    assert other["shipped"]["stamp"] == "别的"
    ship.confirm(nothing := {}, earlier)
    assert nothing == {}

    scripts = {V[28]: kept.stamp(V[28], earlier), V[29]: kept.stamp(V[29], earlier), V[3]: "旧的", V[25]: kept.stamp(V[25])}
    export_page.write(tmp_path / "manifest.json", export_page.encoded({"scripts": scripts, "files": {}}))
    export_page.confirm(earlier, tmp_path)
    now = export_page.read(tmp_path / "manifest.json", {})["scripts"]
    assert now == {V[28]: kept.stamp(V[28]), V[29]: kept.stamp(V[29]), V[3]: "旧的", V[25]: kept.stamp(V[25])}
    assert now[V[29]] != scripts[V[29]]
    export_page.confirm(earlier, tmp_path / "没有")
    assert not (tmp_path / "没有").exists()
