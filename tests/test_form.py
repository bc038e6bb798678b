"""格律的分数：数得对句长，认得出写对的和没写完的；背书的模型满分，乱写的零分。"""

import pytest
import torch

import course
import exam
import form
from course import BY_ID, V

POEM = "如梦令 李清照\n常记溪亭日暮，沉醉不知归路。\n兴尽晚回舟，误入藕花深处。\n争渡，争渡，惊起一滩鸥鹭。\n\n"
OTHER = "如梦令 秦观\n门外鸦啼杨柳，春色著人如酒。\n睡起熨沉香，玉腕不胜金斗。\n消瘦，消瘦，还是褪花时候。\n\n"
SHORT = "十六字令 蔡伸\n天。\n休使圆蟾照客眠。\n人何在，桂影自婵娟。\n\n"
BODY = POEM.split("\n", 1)[1].removesuffix("\n\n")


@pytest.fixture(scope="module")
def forms():
    return form.Forms((POEM + SHORT) * 9 + OTHER + SHORT)  # 切口落在 OTHER 附近


def test_shape():
    body = "问别来、几许离愁，但只觉衣宽，不禁消薄。\n岁岁年年。"
    assert form.shape(body) == ((3, 0), (4, 0), (5, 0), (4, 0), (4, 1))
    assert form.shape("人") == ((1, 0),) and form.shape("") == () and form.shape("。，\n天") == ((1, 1),)


def test_learns_from_the_training_part_only():
    text = POEM * 18 + SHORT * 3
    forms = form.Forms(text)
    assert forms.tunes == ["如梦令"] and set(forms.authors["如梦令"]) == {"李清照"}
    assert [tune for tune, _ in forms.held_out] == [], "十六字令只在没学过的部分，不算数"
    ceiling = form.Forms(POEM * 40).ceiling()
    assert dict(ended=1, attested=1, prefix=1, poems=3).items() <= ceiling.items()


def test_scores(forms):
    assert forms.score("如梦令", BODY) == (1.0, 1.0, 1.0)
    assert forms.score("如梦令", BODY, ended=False) == (0.0, 0.0, 1.0)
    assert forms.score("十六字令", BODY) == (1.0, 0.0, 0.0)
    cut = "\n".join(BODY.split("\n")[:2])
    assert forms.score("如梦令", cut) == (1.0, 0.0, 1.0), "开头都对，但少了一行"
    wrong = BODY.replace("争渡，争渡", "争渡争渡")
    assert forms.score("如梦令", wrong) == (1.0, 0.0, pytest.approx(4 / 6))
    assert forms.score("如梦令", BODY.replace("\n", "", 1)) == (1.0, 0.0, pytest.approx(2 / 7)), "句长对，分行不对"
    assert forms.score("如梦令", "") == (1.0, 0.0, 0.0)


class Reciter:
    """假模型：看到开头里的词牌，就把 texts 里那一首背出来；generate 和脚本里的一样，(B, T) -> (B, T + 字数)。"""

    def __init__(self, tokenizer, texts):
        self.tokenizer, self.texts, self.calls = tokenizer, texts, 0

    def generate(self, idx, max_new_tokens):
        self.calls += 1
        rows = []
        for row in idx.tolist():
            header, written = self.tokenizer.decode(row).split("\n", 1)
            rest = (self.texts[header.split()[0]] + "天" * 400)[len(written) :]
            rows.append(row + self.tokenizer.encode(rest[:max_new_tokens]))
        return torch.tensor(rows)


@pytest.fixture(scope="module")
def tokenizer(loaded):
    return loaded(BY_ID["bigram"].file)["Tokenizer"](course.corpus())


def test_a_model_that_recites_is_perfect(forms, tokenizer):
    texts = {poem.split()[0]: poem.split("\n", 1)[1] for poem in (POEM, SHORT)}
    scores = form.score_model(forms, Reciter(tokenizer, texts), tokenizer, count=4)
    assert dict(ended=1, attested=1, prefix=1, poems=8).items() <= scores.items()
    for example in scores["examples"]:
        assert example.startswith(("如梦令 ", "十六字令 ")) and not example.endswith("\n")


def test_a_model_that_never_stops_is_cut_off(forms, tokenizer):
    model = Reciter(tokenizer, {"如梦令": "", "十六字令": ""})
    scores = form.score_model(forms, model, tokenizer, count=2)
    assert (scores["ended"], scores["attested"], scores["prefix"]) == (0, 0, 0)
    assert model.calls == form.MAX_NEW_TOKENS / form.CHUNK, "开头一样长，该放在一批里写"


def test_poems_come_back_in_the_order_of_the_prompts(tokenizer):
    texts = {"如梦令": BODY + "\n\n天", "十六字令": "天。\n\n"}
    prompts = ["十六字令 蔡伸\n", "如梦令 李清照\n", "十六字令 蔡伸\n", "如梦令 秦观\n"]
    expected = [("天。", True), (BODY, True), ("天。", True), (BODY, True)]
    assert form.write(Reciter(tokenizer, texts), tokenizer, prompts, "cpu") == expected


@pytest.mark.parametrize("name", [BY_ID["bigram"].file, V[1], V[11]])
def test_scores_any_script(loaded, forms, name):
    namespace = loaded(name)
    tokenizer = namespace["Tokenizer"](POEM + OTHER + SHORT + namespace["text"])
    first, second = (form.score_model(forms, RenamedVocabulary(namespace), tokenizer, count=2) for _ in range(2))
    assert first == second, "同一个模型，两次打分要一样"
    assert 0 <= first["attested"] <= first["ended"] <= 1 and first["poems"] == 4


class RenamedVocabulary:
    """小语料训练出的模型不认得那几首词里的字：编号对词表大小取余再喂给它。"""

    def __init__(self, namespace):
        self.model, self.size = namespace["model"], namespace["vocab_size"]

    def generate(self, idx, max_new_tokens):
        out = self.model.generate(idx % self.size, max_new_tokens)
        return torch.cat([idx, out[:, idx.shape[1] :]], dim=1)


def test_corpus_ceiling():
    """真词的分数：没学过的词，绝大多数也合训练集里的律。"""
    forms = form.corpus_forms()
    assert len(forms.tunes) == 20 and forms.tunes[0] == "浣溪沙" and "水调歌头" in forms.tunes
    ceiling = forms.ceiling()
    assert ceiling["ended"] == 1 and 0.9 < ceiling["attested"] < ceiling["prefix"] < 1
    assert tuple((7, row) for row in range(6)) in forms.attested["浣溪沙"]


def test_repeated_rhymes_and_which_rhymes():
    forms = form.Forms(SHORT * 40)
    body = SHORT.split("\n", 1)[1].removesuffix("\n\n")
    once, twice = (forms.prosody([("十六字令", text)]) for text in (body, body.replace("眠", "天")))
    assert (once["repeated"], twice["repeated"]) == (0, pytest.approx(1 / 3, abs=1e-4)) and once["rhyme"] == 1
    both = forms.prosody([("十六字令", body), ("十六字令", "东。\n休使圆蟾照客中。\n人何在，桂影自空风。")])
    assert once["entropy"] == 0 and both["entropy"] == pytest.approx(0.6931, abs=1e-3)
    assert once["rare"] == 0 and both["rare"] == 0.5, "东、中、风，训练集里一个韵脚也没有"
    assert forms.prosody([])["repeated"] is forms.prosody([])["rare"] is None


def test_body_loss_counts_the_body_and_nothing_else():
    """给了题头，要考的恰好是正文连同篇末的空行；想的也要花 nat，平均在真字头上。"""
    text = POEM * 30
    chars = sorted(set(text + "①"))
    tokenizer = type("Tokenizer", (), {"encode": lambda self, text: [chars.index(ch) for ch in text]})()
    asked = []

    def model(idx, targets):
        asked.append("".join(chars[t] for t in targets[0].tolist() if t >= 0))
        assert "".join(chars[i] for i in idx[0].tolist()).startswith("如梦令 李清照\n")
        return None, torch.tensor(2.5)

    body = POEM.split("\n", 1)[1]
    assert exam.body_loss(text, model, tokenizer) == 2.5
    assert asked and set(asked) == {body}
    thought = exam.body_loss(text, model, tokenizer, think=lambda poem: poem.replace("。", "①。"))
    assert thought == pytest.approx(2.5 * (1 + body.count("。") / len(body)), abs=1e-4)
    assert asked[-1] == body.replace("。", "①。")
