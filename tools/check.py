"""哪些过时了：记录、文档、图、网页的数据、随仓库发的权重。全都是新的，说一声，退出码 0；有过时的，逐个列出怎样重做、
要多久，退出码 1。

用法：
    python tools/check.py

一份脚本改了，它的记录、接着它学的各版、从它改出来的变体都过时。不训练就能重做的，python tools/render.py 一并重写。
"""

import argparse

import ablate
import answers
import bench
import export_page
import look
import records
import render
import results
import ship
import tried
import variants


def stale(faults):
    """过时的：[Stale, …]，记录在前，由记录写出的在后。faults 见 render.attempt。"""
    measured = results.load()
    found = results.stale(measured)
    for tool in (ablate, answers, tried):
        found += variants.stale(tool.EXPERIMENT)
    return [*found, *bench.stale(), *ship.stale(measured), *export_page.stale(), *look.stale(), *render.stale(faults)]


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    records.need("jinja2", "matplotlib")
    faults = []
    found = [*map(str, stale(faults)), *faults, *render.without_source()]
    print(*found or ["都是新的。"], sep="\n")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
