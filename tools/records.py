"""记录：docs/ 里的 JSON。先写旁边再换名；每次运行、每一节都记着机器、库的版本和日期。"""

import datetime
import importlib.util
import json
import os
import platform
from dataclasses import dataclass
from importlib import metadata

import course

DOCS = course.ROOT / "docs"
RESULTS, ABLATION, ANSWERS = DOCS / "results.json", DOCS / "ablation.json", DOCS / "answers.json"
SPEEDRUN = DOCS / "speedrun.json"
TRIED, EMERGE, BENCH, PAGE = DOCS / "tried.json", DOCS / "emerge.json", DOCS / "bench.json", DOCS / "page.json"
CORES = os.cpu_count()


def read(path, default=None, strict=True):
    """path（Path）里的 JSON；没有就是 default（不给是空的 dict）。

    不完整的，抛 SystemExit，里面是一句话：当成空的，接着一写，记录就没了；strict 是假的（随时能重写的），也算没有。
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if strict and path.exists():
            raise SystemExit(f"{path.name} 坏了，读不出 JSON，请先从 git 里找回来。（{error}）") from None
        return {} if default is None else default


def write(path, content):
    """写 JSON 文件：先写旁边再换名，中途被杀，旧文件也完好。"""
    write_bytes(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())


def write_bytes(path, content):
    """把 content（bytes）写到 path（Path）：先写旁边再换名；一样的不动。返回动了没有。"""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
    return True


def machine(device="cpu", **more):
    """量这些数的机器和库（dict）；more：别的库，{名字: 版本}。"""
    return {
        "cores": CORES,
        "system": f"{platform.system()} {platform.machine()}",
        "device": str(device),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        **more,
    }


def need(*packages):
    """packages（[str, …]）里有没装的，抛 SystemExit：动手之前就说，不等训练完。"""
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise SystemExit(f"缺 {'、'.join(missing)}，请先 pip install -r tools/requirements.txt。")


def today():
    return datetime.date.today().isoformat()


@dataclass(frozen=True)
class Stale:
    """过时了的一样东西：是什么，为什么，怎样重做，重做要几秒（float；不知道是 None）。"""

    what: str
    reason: str
    command: str
    seconds: float | None = None

    def __str__(self):
        if self.seconds is None:
            time = "不知道要多久"
        else:
            time = f"约 {self.seconds / 60:.0f} 分钟" if self.seconds > 90 else f"约 {self.seconds:.0f} 秒"
        return f"{self.what}：{self.reason}，请运行 {self.command}（{time}）"
