"""把各版的模型、代码、曲线和量到的数，写成 page/public/ 里的静态文件；网页（page/）只读它们。

用法：
    python tools/export_page.py                 # 全部；没有权重的版本，先照脚本训练一遍（种子 42）
    python tools/export_page.py --only v3 v11   # 只导出这几版的模型，别的用上次导出的
    python tools/export_page.py --write         # 不训练，不导出模型，只重写别的文件（改了说明、重量了之后）
    python tools/export_page.py --film          # 一步步怎样学会的，过时的各版照脚本训练一遍，单线程，每核一版
    python tools/export_page.py --short 60      # 开发用：各训练 60 步，写到别的文件夹（--output 可换）

一版一个 ONNX，由 torch.onnx 从脚本自己的模块导出，进出什么见 watch.Watched。大的矩阵压成 8 位整数，一行（或一列）
一个比例；压过之后，在没学过的文字上和 PyTorch 的平均 KL 超过 BOUND 的，改成 16 位浮点。图里头几步把它们还原成 32 位，
ONNX Runtime 载入时就算好了，之后和没压过的一样快；激活不压，所以准。
"""

import argparse
import ast
import collections
import hashlib
import json
import logging
import posixpath
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import captions
import course
import film
import form
import prosody
import records
import results
import runner
import sampling
from course import BY_FILE, ROOT, source

PUBLIC = ROOT / "page" / "public"
WITH_MODEL = course.files(page=True)
BIGRAM = course.BY_ID["bigram"].file
COURSE = [BIGRAM, *course.V.values()]
NEIGHBOURS = course.shown(course.NEIGHBOURS)  # 比谁的嵌入
FILM = course.shown(course.FILM)  # 一步步怎样学会的
FIRST_SCREEN = course.shown(course.FIRST_SCREEN)  # 谁写的，没有模型也看得到
OPENING, LENGTH = {"opening": "浣溪沙 苏轼\n春江", "seed": 42}, 70  # 接着它写，种子是它，最多几个字
FACES, NEAREST, CANDIDATES = 300, 10, 2000  # 最常见的几个汉字，各要几个近邻，在最常见的几个里找（再少见的，没学到什么）
BOUND = 0.01  # 压过的模型和 PyTorch 的平均 KL，最多这么多 nat
POSITIONS = 256  # 在这么多个位置上比
TOLERANCE = 1e-3  # 没压过的 ONNX，打分和注意力最多差这么多
OPENINGS, TOP = ("春江", "往事", "明月几时有"), 5  # 网页的测试拿 PyTorch 接着它们的前几名来对
SHORT = " 只训练了 "  # 开发用的模型，清单里的指纹后面跟着这个和步数，永远算过时
SMALL = 1024  # 不到这么多个数的矩阵不压
MODEL_BYTES, TOTAL_BYTES = 3_000_000, 35_000_000


def encoded(content):
    """JSON（bytes）：同样的内容总是同样的字节。"""
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


# ---------- 模型 ----------
def to_onnx(watched, block_size):
    """Watched → ONNX（ModelProto，32 位浮点）：idx (1, T)、at (P,)、有注意力的再加 heads (层数, 头数) 进，
    logits (P, V)、lens (层数 + 1, V)、attention (层数, 头数, T, T) 出，后两样见 Watched。
    """
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    inputs = {"idx": torch.zeros(1, min(5, block_size), dtype=torch.long), "at": torch.tensor([1, 0])}
    outputs = watched(**inputs)
    T, P = (torch.export.Dim(name, min=2, max=block_size) for name in "TP")  # 导出时不许从 1 起；算的时候 1 也行
    shapes = {"idx": {1: T}, "at": {0: P}}
    if "attention" in outputs:
        inputs["heads"] = torch.ones(outputs["attention"].shape[:2])
        shapes["heads"] = None
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            watched,
            kwargs=inputs,
            dynamo=True,
            opset_version=20,
            verbose=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
        )
    return tidy(program.model_proto)


def tidy(model):
    """ONNX（ModelProto）→ 只留计算要的：去掉源码的位置（里面有这台机器的路径）和名字；一样的常量（各头的 mask）
    只留一份。
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del graph.value_info[:]
    graph.name = "babygpt"
    first, renamed = {}, {}
    for tensor in list(graph.initializer):
        key = (tensor.data_type, *tensor.dims, tensor.raw_data or tensor.SerializeToString())
        if first.setdefault(key, tensor.name) != tensor.name:
            renamed[tensor.name] = first[key]
            graph.initializer.remove(tensor)
    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [renamed.get(name, name) for name in node.input]
    return model


def packed(model, kind):
    """ONNX（ModelProto）→ 大的矩阵压过的一份。kind：int8（一行或一列一个比例，对称）或 fp16。"""
    import numpy
    import onnx
    from onnx import helper, numpy_helper

    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    used = lambda op, k: {node.input[k] for node in graph.node if node.op_type == op}  # noqa: E731
    columns = used("MatMul", 1)  # (进, 出)：一列一个比例；查表的、Gemm 的是一行一个
    matrices = columns | used("Gemm", 1) | used("Gather", 0)  # 别的大常量不是权重，比如 RoPE 的角度：压了就转错了
    unpacking = []
    for tensor in list(graph.initializer):
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if name not in matrices or values.dtype != numpy.float32 or values.ndim != 2 or values.size < SMALL:
            continue
        graph.initializer.remove(tensor)
        if kind == "fp16":
            with numpy.errstate(over="ignore"):  # 装不下的成了无穷大，比 KL 的时候自会看出来
                values = values.astype(numpy.float16)
            graph.initializer.append(numpy_helper.from_array(values, f"{name}.packed"))
            unpacking.append(helper.make_node("Cast", [f"{name}.packed"], [name], to=onnx.TensorProto.FLOAT))
        else:
            scale = numpy.abs(values).max(axis=0 if name in columns else 1, keepdims=True) / numpy.float32(127)
            scale[scale == 0] = 1
            graph.initializer.append(
                numpy_helper.from_array(numpy.round(values / scale).astype(numpy.int8), f"{name}.packed")
            )
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
            unpacking.append(helper.make_node("Cast", [f"{name}.packed"], [f"{name}.whole"], to=onnx.TensorProto.FLOAT))
            unpacking.append(helper.make_node("Mul", [f"{name}.whole", f"{name}.scale"], [name]))
    nodes = [*unpacking, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(found)
    return found


def onnx_runner(model):
    """ONNX（ModelProto）→ 一个函数，用起来和 Watched 一样：idx、at（不给就是末一个位置）、heads（不给就都开着）进，
    各个输出（{名字: tensor}）出。单线程。
    """
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    shapes = {one.name: one.shape for one in session.get_inputs()}
    names = [one.name for one in session.get_outputs()]

    def run(idx, at=None, heads=None):
        inputs = {"idx": idx, "at": torch.tensor([idx.shape[1] - 1]) if at is None else at}
        if "heads" in shapes:
            inputs["heads"] = torch.ones(shapes["heads"]) if heads is None else heads
        found = session.run(names, {name: one.numpy() for name, one in inputs.items()})
        return dict(zip(names, map(torch.from_numpy, found)))

    return run


def contexts(namespace, count=POSITIONS):
    """脚本没学过的文字里，均匀地取 count 段，从 1 个字到看得见的最多：[(1, T) 的编号, …]。听要求的，连要求一起。"""
    import torch

    text, size = namespace["text"], namespace["block_size"]
    data = torch.tensor(namespace["tokenizer"].encode(text[int(len(text) * course.TRAIN) :]))  # (0.1N,)
    starts = namespace["poem_starts"]["val"] if "poem_starts" in namespace else torch.arange(len(data) - size)
    starts = starts[torch.arange(count) * len(starts) // count].tolist()
    return [data[start : start + 1 + k * 37 % size][None] for k, start in enumerate(starts)]


def divergence(model, run, found):
    """脚本的 model 和 ONNX 的 run（见 onnx_runner），在各段 found 之后的分布，平均 KL(PyTorch‖ONNX)（float，nat）。"""
    import torch

    total = 0.0
    for idx in found:
        with torch.no_grad():
            ours, theirs = (logits.log_softmax(-1) for logits in (model(idx)[0], run(idx)["logits"]))
        total += (ours.exp() * (ours - theirs)).sum().item()
    return total / len(found)


def verify(watched, run, found):
    """没压过的 ONNX 和 PyTorch 算的不一样，哪样输出差了 TOLERANCE 以上，就抛 RuntimeError。

    除了注意力的权重，都另换一条路算：打分是脚本学的时候的，lens 是只留头几层的，关掉的头是出来以后才换成 0 的。
    """
    import torch

    import watch

    model, pairs = watched.model, []
    for k, idx in enumerate(found):
        T = idx.shape[1]
        at = torch.tensor([T - 1, 0, T // 2])
        with torch.no_grad():
            ours, theirs = {"logits": model(idx, idx)[0][0, at]}, run(idx, at)
            if "lens" in theirs:
                rows = []
                for layers in range(len(model.blocks) + 1):
                    with watch.shallow(model, layers):
                        rows.append(model(idx[:, : T // 2 + 1])[0][0])
                ours["lens"] = torch.stack(rows)
            if "attention" in theirs:
                ours["attention"] = watched(idx)["attention"]
                heads = torch.ones(ours["attention"].shape[:2])
                layer, head = divmod(7 * k % heads.numel(), watched.n_head)
                heads[layer, head] = 0
                with watch.silent(model, layer, head, watched.n_head):
                    expected = model(idx, idx)[0][0, at]
                pairs.append((expected, run(idx, at, heads)["logits"]))
        pairs += [(ours.get(name, torch.empty(0)), theirs[name]) for name in theirs]
    if not all(a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=TOLERANCE) for a, b in pairs):
        raise RuntimeError("导出的 ONNX 和 PyTorch 算的不一样，请装 tools/requirements.txt 里的那几个版本再试。")


def pack(trained, model):
    """训练好的一版（watch.Trained）和没压过的 ONNX → (压过的, 压法, KL)：先试 8 位，差得太远就用 16 位；
    还不行就抛 RuntimeError。
    """
    found = contexts(trained.namespace)
    verify(trained.watched, onnx_runner(model), found[::37])
    for kind in ("int8", "fp16"):
        small = packed(model, kind)
        kl = divergence(trained.model, onnx_runner(small), found)
        if kl <= BOUND:
            return small, kind, max(kl, 0.0)
    raise RuntimeError(
        f"{trained.name} 压成 16 位，和 PyTorch 的 KL 还有 {kl:.4f} nat，超过了 {BOUND}：权重太大，请先看看训练。"
    )


def export(trained):
    """训练好的一版 → (ONNX 的字节, course.json 里的 model)。太大就抛 RuntimeError。"""
    small, kind, kl = pack(trained, to_onnx(trained.watched, trained.block_size))
    content = small.SerializeToString(deterministic=True)
    if len(content) > MODEL_BYTES:
        raise RuntimeError(f"{trained.name} 的模型有 {len(content):,} 字节，网页上一版最多 {MODEL_BYTES:,}。")
    outputs = trained.watched(contexts(trained.namespace, 1)[0])
    layers, heads = outputs["attention"].shape[:2] if "attention" in outputs else (0, 0)
    return content, {
        "file": f"models/{BY_FILE[trained.name].id}.onnx",
        "bytes": len(content),
        "weights": kind,
        "kl": round(kl, 6),
        "layers": layers,
        "heads": heads,
        "lens": "lens" in outputs,
        "captions": captions.captions(onnx_runner(small), trained, layers, heads) if heads else [],
        "vocab": len(trained.tokenizer.chars),
        "block_size": trained.block_size,
        "obeys": bool(BY_FILE[trained.name].base),
    }


def neighbours(trained, text):
    """语料 text 里最常见的 FACES 个汉字，在嵌入里各自最近的 NEAREST 个：{字: [[字, 余弦], …]}。"""
    import watch

    among = watch.common(text, CANDIDATES)
    found = watch.nearest(trained, among[:FACES], among, NEAREST)
    return {ch: [[other, round(cosine, 3)] for other, cosine in pairs] for ch, pairs in found.items()}


def answers(trained):
    """PyTorch 接着 OPENINGS 的下一个字，前 TOP 名：{开头: [[字, 概率], …]}。"""
    import torch

    found = {}
    for opening in OPENINGS:
        with torch.no_grad():
            probabilities = trained.model(torch.tensor([trained.tokenizer.encode(opening)]))[0].softmax(-1)[0]  # (V,)
        values, index = probabilities.topk(TOP)
        found[opening] = [[trained.tokenizer.chars[k], round(p, 6)] for k, p in zip(index.tolist(), values.tolist())]
    return found


def first_text(score, chars, window):
    """first.json 里的一段（str）：网页接着 OPENING，就这样写。score、window 见 sampling.write。"""
    return sampling.write(score, chars, OPENING["opening"], window, OPENING["seed"], LENGTH)


def first_text_of_model(trained, content):
    """压过的模型（ONNX 的字节）写的 first_text。"""
    import onnx
    import torch

    run = onnx_runner(onnx.load_model_from_string(content))
    score = lambda ids: run(torch.tensor([ids]))["logits"][0].tolist()  # noqa: E731
    return first_text(score, trained.tokenizer.chars, trained.block_size)


def first_text_of_counts(namespace):
    """数出来的（跑完的脚本，见 watch.counted）写的 first_text；它只看一个字。"""
    import torch

    model, chars = namespace["model"], namespace["tokenizer"].chars
    score = lambda ids: model.prob(torch.tensor(ids), torch.arange(len(chars))).log().tolist()  # noqa: E731
    return first_text(score, chars, 1)


# ---------- 数据 ----------
def block_size(name):
    """脚本 name 在 CPU 上最多看几个字（int）：源码里最后一次赋的值。"""
    return int(re.findall(r"^ *block_size = (\d+)", source(name), re.M)[-1])


def symbols():
    """先想后写的各版多认得的记号（str）：词表是语料的字和它们，照编码排。"""
    return "".join(map(chr, range(ord("①"), ord("⑲") + 1)))


def rounded(value):
    """数 → 四位小数；dict 里的一个个来；没有的还是 None。"""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return None if value is None else round(value, 4)


def numbers(name, measured):
    """course.json 里一版量到的数（dict）：各种子的平均，loss 是种子 42 的；没量过的都是 None。
    合律的太少，平仄、押韵算不得数。
    """
    found = dict.fromkeys(("parameters", "val_loss", "train_loss", "form", "minutes"))
    if not results.runs(measured, name):
        return found
    summary = results.summary(measured, name)
    scores = summary["form"]
    if scores and scores["attested"] < results.FEW:
        scores = {**scores, "tone": None, "rhyme": None}
    base, parameters = course.base_of(name), summary["parameters"]
    if parameters is None and base:  # 学自己写的几版不印参数：和接着学的那份一样多
        parameters = results.first(measured, base.file)["parameters"]
    found |= {"parameters": parameters, "minutes": round(summary["wall_s"] / 60, 1), "form": rounded(scores)}
    first = results.first(measured, name)  # loss 是种子 42 的：和曲线、脚本开头写的一个数
    return found | {key: rounded(first.get(key)) for key in ("val_loss", "train_loss")}


def entry(name, measured, model):
    """course.json 里的一版（dict）。model：它的模型（见 export），没有就是 None。"""
    row, doc = BY_FILE[name], ast.get_docstring(ast.parse(source(name)))
    return {
        "id": row.id,
        "script": name,
        "part": row.part,
        "title": re.match(r"(?:v\d+：)?([^。：]*)", doc)[1],
        "doc": doc,
        "before": row.before if name in COURSE[1:] else None,
        "block_size": block_size(name),
        **numbers(name, measured),
        **({"same_as": row.same_as} if row.same_as else {}),
        **({"side": True} if row.side else {}),
        **({"blind": row.blind} if row.blind else {}),
        "model": model,
    }


def details(name, measured):
    """versions/<id>.json 的内容（dict）：代码，种子 42 的曲线、样文，打分时写的头几首。"""
    run = results.first(measured, name) if results.runs(measured, name) else {"curve": [], "samples": [], "form": None}
    return {
        "code": source(name),
        "curve": [{key: point[key] for key in ("step", "train_loss", "val_loss")} for point in run["curve"]],
        "samples": run["samples"],
        "examples": (run["form"] or {}).get("examples", []),
    }


def forms_and_readings(forms, text):
    """prosody.json 的内容（dict）：韵书，一个字几种读音，押韵时常用的在前；归纳出来的各词牌的谱，用得多的在前。
    forms：语料 text 的 form.Forms。
    """
    train = forms.poems(text[: text.rindex("\n\n", 0, int(len(text) * course.TRAIN))])
    counts = collections.Counter((tune, form.shape(body)) for tune, _, body in train)
    templates = {tune: [] for tune in forms.tunes}
    for (tune, shape), (tones, rhymes) in sorted(
        forms.templates.found.items(), key=lambda one: (-counts[one[0]], one[0])
    ):
        templates[tune].append(
            {
                "shape": shape,
                "count": counts[tune, shape],
                "tones": "".join(tone or "·" for tone in tones),
                "rhymes": rhymes,
            }
        )
    book = forms.templates.yun.rhymes
    used = collections.Counter()  # 一个字几部都有：在各首里，它多半和哪一部的字押在一起
    for _, _, body in train:
        last = [ch for ch in re.findall("(.)。", body) if ch in book]
        counts = collections.Counter(number for ch in last for number in book[ch])
        used.update((ch, max(book[ch], key=counts.get)) for ch in last)
    readings = {}
    for line in prosody.YUN.read_text(encoding="utf-8").splitlines():
        ch, *found = line.split(" ")
        readings[ch] = " ".join(sorted(found, key=lambda one: -used[ch, int(one[1:])]))  # noqa: B023
    return {"readings": readings, "templates": templates}


def explained():
    """answers.json 的内容（dict）：docs/answers.md 里各版的，{id: [{"title": 问的, "text": 答的（Markdown）}, …]}。

    引文的行末不要 <br>；链接从仓库的根目录数起，不从 docs/。
    """
    found = {}
    for section in re.split("^## ", (records.DOCS / "answers.md").read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, parts = re.match("`(.+)`", section)[1], []
        for title, text in re.findall("<summary>(.*?)</summary>\n+(.*?)\n+</details>", section, re.S):
            text = re.sub(r"^(>.*)<br>$", r"\1", text, flags=re.M)
            parts.append({"title": title, "text": re.sub(r"\]\((?!https?:)(.*?)\)", from_the_root, text)})
        if name in COURSE:
            found[BY_FILE[name].id] = parts
    return found


def from_the_root(link):
    """docs/ 里的链接（re.Match）→ 从仓库的根目录数起的（str）。"""
    return f"]({posixpath.normpath(posixpath.join('docs', link[1]))})"


def documents(measured, models):
    """不用模型就写得出的各个文件：{路径: JSON 的内容}。models：{id: 它的模型（见 export）}。"""
    text = course.corpus()
    forms = form.Forms(text)
    ids = lambda place: [BY_FILE[name].id for name in course.shown(place)]  # noqa: E731
    return {
        "course.json": {
            "chars": "".join(sorted(set(text))),
            "symbols": symbols(),
            "baselines": {"form_of_real_poems": measured["baselines"]["form_of_real_poems"]},
            "versions": [entry(name, measured, models.get(BY_FILE[name].id)) for name in COURSE],
            "tunes": forms.tunes,
            "patterns": captions.PATTERNS,
            "moments": captions.MOMENTS,
            "anyone": collections.Counter(author for _, author, _ in forms.poems(text)).most_common(1)[0][0],
            "temperature": float(re.search(r"^temperature = ([\d.]+)", source(course.WRITER), re.M)[1]),
            "first": ids(course.DEFAULT)[0],
            "contrast": ids(course.CONTRAST)[0],
            "films": ids(course.FILM),
            "rungs": ids(course.RUNG),
        },
        "answers.json": explained(),
        "prosody.json": forms_and_readings(forms, text),
        **{f"versions/{BY_FILE[name].id}.json": details(name, measured) for name in COURSE},
    }


def exported(public):
    """上次导出到 public（Path）的模型：{id: course.json 里的 model}；文件不在了的不算。"""
    versions = records.read(public / "course.json", strict=False).get("versions", [])
    return {one["id"]: one["model"] for one in versions if one["model"] and (public / one["model"]["file"]).exists()}


def exports():
    """要导出的：各版的模型，和没有模型、只写一段文字的（first.json）：[脚本名, …]。"""
    return [name for name in COURSE if name in WITH_MODEL or name == BIGRAM]


def first_texts(public):
    """上次导出到 public（Path）的 first.json 里的各段：{id: 文字}；开头、种子换了的不算。"""
    found = records.read(public / "first.json", strict=False)
    same = {key: found.get(key) for key in OPENING} == OPENING
    return {one["id"]: one["text"] for one in found["texts"]} if same else {}


def film_file(name):
    """脚本 name 一步步怎样学会的，在 public 里的哪个文件（str）。"""
    return f"films/{BY_FILE[name].id}.json"


def filmed(public):
    """上次导出到 public（Path）的 films/：{脚本名: 内容}；开头、种子换了的不算。"""
    found = {name: records.read(public / film_file(name), strict=False) for name in FILM}
    return {name: one for name, one in found.items() if {**one, **film.opening(name)} == one}


def reference(public):
    """网页的测试用的答案（answers）在哪个文件（Path）：和 public（Path）并排的 tests/ 里。"""
    return public.with_name("tests") / "reference.json"


def stale(public=None):
    """public（Path）里过时的：[Stale, …]。不要 torch，也不要 onnx。"""
    public = public or PUBLIC
    manifest = records.read(public / "manifest.json", strict=False)
    if not manifest:
        return [records.Stale("page/public", "网页的数据还没导出过", "python tools/export_page.py")]
    models, texts, found = exported(public), first_texts(public), []
    for name in exports():
        key = BY_FILE[name].id
        there = (name not in WITH_MODEL or key in models) and (name not in FIRST_SCREEN or key in texts)
        recorded = manifest["scripts"].get(name) if there else None
        if recorded != runner.stamp(name):
            reason = "还没有导出" if recorded is None else "只训练了几步" if SHORT in recorded else "导出之后又改了"
            command = f"python tools/export_page.py --only {key}"
            found.append(records.Stale(name, reason, command, results.training_seconds(name)))
    there, measured = filmed(public), results.load()
    for name in FILM:
        recorded = manifest.get("films", {}).get(name) if name in there else None
        if recorded != runner.stamp(name):
            reason = "还没有导出" if recorded is None else "导出之后又改了"
            command = f"python tools/export_page.py --film {BY_FILE[name].id}"
            spent = results.first(measured, name)["wall_s"] if results.runs(measured, name) else None
            found.append(records.Stale(film_file(name), reason, command, spent))
    for file, recorded in manifest["files"].items():
        path = public / file
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != recorded["sha256"]:
            found.append(
                records.Stale(file, "和导出的不一样" if path.exists() else "不见了", "python tools/export_page.py")
            )
    if records.read(reference(public), strict=False).keys() != models.keys():
        found.append(records.Stale("page/tests/reference.json", "和导出的模型对不上", "python tools/export_page.py"))
    for file, content in documents(measured, models).items():
        if manifest["files"].get(file, {}).get("sha256") != hashlib.sha256(encoded(content)).hexdigest():
            found.append(records.Stale(file, "脚本或 docs/ 里的改了", "python tools/export_page.py --write", 5.0))
    return found


def save(public, measured, models, kept, stamps, films):
    """把模型之外的文件都写进 public（Path），最后写清单；不再要的文件删掉。返回变了的（[Path]）。

    models：{id: 它的模型}；kept：要模型才写得出的各个文件的内容；stamps：{脚本名: 导出时的指纹}，没有的记现在的；
    films：{脚本名: films/ 里那一份的指纹}。
    """
    contents = documents(measured, models) | kept
    changed = [
        public / file for file, content in contents.items() if records.write_bytes(public / file, encoded(content))
    ]
    files = sorted([*contents, *(model["file"] for model in models.values())])
    for path in (*public.glob("models/*.onnx"), *public.glob("versions/*.json"), *public.glob("films/*.json")):
        if path.relative_to(public).as_posix() not in files:
            path.unlink()
    recorded = {}
    for file in files:
        content = (public / file).read_bytes()
        recorded[file] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    total = sum(one["bytes"] for one in recorded.values())
    if total > TOTAL_BYTES:
        raise RuntimeError(f"网页的数据一共 {total:,} 字节，最多 {TOTAL_BYTES:,}，请从 WITH_MODEL 里去掉几版。")
    stamps = {name: stamps.get(name) or runner.fingerprint(name) for name in COURSE}
    manifest = public / "manifest.json"
    content = {"scripts": stamps, "films": films, "files": recorded}
    return changed + [manifest] * records.write_bytes(manifest, encoded(content))


def update(public, names, short=None, films=None):
    """导出 names（脚本名，见 exports）的模型，重写 public（Path）里的别的文件。names 可以是空的：模型一个不动。
    films：新的几版怎样学会的，{脚本名: 内容}。返回变了的文件（[Path]）。
    """
    manifest = records.read(public / "manifest.json", {"scripts": {}}, strict=False)
    models, texts, near, expected = (
        exported(public),
        first_texts(public),
        records.read(public / "neighbours.json", strict=False),
        records.read(reference(public), strict=False),
    )
    stamps = {name: manifest["scripts"].get(name) for name in exports() if BY_FILE[name].id in models | texts}
    reels = filmed(public) | (films or {})
    film_stamps = manifest.get("films", {}) | {name: runner.stamp(name) for name in films or {}}
    progress = runner.Progress(len(names))
    for name in names:
        import watch

        key, stamps[name] = BY_FILE[name].id, runner.stamp(name)
        if name not in WITH_MODEL:
            texts[key] = first_text_of_counts(watch.counted(name))
            progress.print(f"{name}：写了一段")
            continue
        trained = watch.trained(name, short)
        content, model = export(trained)
        records.write_bytes(public / model["file"], content)
        models[key] = model
        stamps[name] += f"{SHORT}{short}" if short is not None else ""
        expected[key] = answers(trained)
        if name in NEIGHBOURS:
            near[key] = neighbours(trained, course.corpus())
        if name in FIRST_SCREEN:
            texts[key] = first_text_of_model(trained, content)
        progress.print(f"{name}：{model['bytes'] / 1e6:.2f} MB，{model['weights']}，KL {model['kl']:.6f} nat")
    wanted = {BY_FILE[name].id: name for name in WITH_MODEL}
    models = {key: models[key] for key in wanted if key in models}
    records.write_bytes(reference(public), encoded({key: expected[key] for key in models if key in expected}))
    ids = lambda names, found: [key for name in names if (key := BY_FILE[name].id) in found]  # noqa: E731
    kept = {
        "neighbours.json": {key: near[key] for key in ids(NEIGHBOURS, near)},
        **{film_file(name): reels[name] for name in FILM if name in reels},
        "first.json": {**OPENING, "texts": [{"id": key, "text": texts[key]} for key in ids(FIRST_SCREEN, texts)]},
    }
    film_stamps = {name: film_stamps.get(name) for name in FILM if name in reels}
    return save(public, results.load(), models, kept, stamps, film_stamps)


def shoot(public, names):
    """names（脚本名）怎样学会的，照脚本训练一遍，每核一版，学完一版写一版。"""
    progress = runner.Progress(len(names))
    with ThreadPoolExecutor(records.CORES) as pool:
        for name, shots in zip(names, pool.map(film.shots, names)):
            update(public, [], films={name: film.film(name, shots)})
            progress.print(f"{name}：{len(shots)} 步，验证 loss {shots[-1][0]['val_loss']:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = {BY_FILE[name].id: name for name in exports()}
    parser.add_argument("--only", nargs="+", choices=choices, metavar="v3", default=list(choices))
    films = {BY_FILE[name].id: name for name in FILM}
    parser.add_argument("--film", nargs="*", choices=films, metavar="v3", help="只重做这几版怎样学会的")
    parser.add_argument("--write", action="store_true", help="模型一个不动，只重写别的文件")
    parser.add_argument("--short", type=int, metavar="步", help="开发用：只训练这么多步")
    parser.add_argument("--output", type=type(PUBLIC), metavar="文件夹", help="写到别处")
    arguments = parser.parse_args()
    public = arguments.output or (
        PUBLIC if arguments.short is None else runner.CHECKPOINTS / f"short-{arguments.short}" / "public"
    )
    if arguments.film is not None:
        records.need("torch")
        wanted = arguments.film or [
            key for key in films if any(one.what == film_file(films[key]) for one in stale(public))
        ]
        runner.finish(shoot, public, [films[key] for key in wanted])
        return
    if not arguments.write:
        records.need("torch", "onnx", "onnxruntime", "onnxscript")
    names = [] if arguments.write else [choices[key] for key in arguments.only]
    runner.finish(update, public, names, arguments.short)


if __name__ == "__main__":
    main()
