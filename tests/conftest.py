import os
import shutil
import subprocess
import sys

import pytest
import torch

import helpers
from course import BY_FILE, BY_ID

torch.set_num_threads(1)
os.environ["WANDB_MODE"] = "disabled"  # 在本进程里跑的 v12 什么也不记；子进程用的是 helpers.environment


def pytest_make_parametrize_id(val, argname):
    """参数的名字：脚本用短名，几就是第几版，别的照 pytest 的。"""
    if argname == "number":
        return f"v{val}"
    return BY_FILE[val].id if isinstance(val, str) and val in BY_FILE else None


@pytest.fixture(autouse=True)
def same_luck():
    """每个测试从同一个随机数起：单独跑、换个次序跑，结果都一样。"""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """loaded(file, **hyper)：小模型、小语料，在本进程里跑完的脚本的全局变量；同样的参数只跑一次。"""
    cache = {}

    def get(file, **hyper):
        key = file, repr(sorted(hyper.items()))
        if key not in cache:
            with torch.random.fork_rng():  # 跑没跑过，后面的随机数都一样
                cache[key] = helpers.load(helpers.tiny(file, tmp_path_factory.mktemp(BY_FILE[file].id), **hyper))
        return cache[key]

    return get


@pytest.fixture
def start():
    """start(script, **settings)：启动 script，返回 Popen，三个管道都接上；settings 同 Popen。测试完了，没停的杀掉。"""
    running = []

    def begin(*script, **settings):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        settings = {**pipes, "env": helpers.environment(), **settings}
        running.append(subprocess.Popen([sys.executable, *map(str, script)], **settings))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate() if not process.stdout.closed else process.wait()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """放着小的 base.pth、think.pth、sft.pth 的文件夹（Path）。"""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, steps in (("v24", 60), ("v25", 60), ("v26", 40)):
        one = BY_ID[name]
        script = helpers.prepared(one.file, folder / name, folder, max_iters=steps, learning_rate=1e-2)
        helpers.load(script)
        shutil.copy(script.with_name(one.saves), folder)
    return folder


@pytest.fixture(scope="session")
def corpus():
    """一小段语料（2 万字），够小模型用。"""
    return helpers.CORPUS
