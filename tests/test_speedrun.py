"""竞速：一份脚本跑一遍，打分，成一行。"""

import course
import form
import records
import runner
import speedrun
from course import V


def test_a_script_becomes_a_row(tmp_path, monkeypatch):
    """照样跑、打分、记下、打印；没有的分数空着。"""
    tiny = dict(max_iters=2, eval_interval=1, eval_iters=1, n_embed=16, n_head=2, n_layer=1, max_new_tokens=2)
    source = runner.set_hyperparameters(course.source(V[11]), **tiny)
    monkeypatch.setattr(form, "SAMPLES", 1)
    monkeypatch.setattr(course, "source", lambda file: source)
    row = speedrun.measure(V[11], 43)
    assert (row["script"], row["seed"], row["attested"]) == (V[11], 43, 0) and row["seconds"] > 0
    records.write(tmp_path / "rows.json", {"rows": [row]})
    line = speedrun.line(records.read(tmp_path / "rows.json")["rows"][0])
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert len(cells) == 11 and cells[0] == f"`{V[11]}`" and cells[2] == "0%" and cells[9] == "种子 43"
    assert cells[3:7] == [""] * 4, "一首都不合律，平仄、押韵没法算"
