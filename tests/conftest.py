import os
from pathlib import Path

import pytest
import torch

import helpers

torch.set_num_threads(1)
CORPUS = (helpers.ROOT / "ci.txt").read_text(encoding="utf-8")[:20000]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """loaded(name, **hyper)：小模型、小语料，在本进程里跑完的脚本的全局变量；同样的参数只跑一次。"""
    cache = {}

    def get(name, **hyper):
        key = name, repr(sorted(hyper.items()))
        if key not in cache:
            folder = tmp_path_factory.mktemp(Path(name).stem)
            script = helpers.edit(name, folder, corpus=CORPUS, **{**helpers.TINY, **hyper})
            before = os.environ.get("WANDB_MODE")
            os.environ["WANDB_MODE"] = "disabled"
            try:
                cache[key] = helpers.load(script)
            finally:
                os.environ.pop("WANDB_MODE")
                if before is not None:
                    os.environ["WANDB_MODE"] = before
        return cache[key]

    return get


@pytest.fixture(scope="session")
def corpus():
    """一小段语料（2 万字），够小模型用。"""
    return CORPUS
