"""试一试：想到的改法，照样训练到底，采用不采用都记下来，存在 docs/tried.json 的 trials 里。

用法：
    python tools/tried.py                 # 缺什么量什么；中断了再跑，接着来
    python tools/tried.py --seeds 3 v21

想试什么，就在 CHANGES 里添一行。记的是当天的脚本：脚本后来改了，记录不算过时；改动自己改了，才重量。试完了，那一行
可以去掉，记录还在。docs/tried.json 里的 runs、after 是还没有这个工具的时候量的，脚本是草稿，没有留下；noted 是连运行的
记录也没有的。docs/tried.md 由 render.py 写。
"""

import form
import records
import variants
from variants import Variant

# {脚本: {说法: variants.change(…)}}，写法见 ablate.py
CHANGES = {}
VARIANTS = {
    file: {label: Variant(apply, form.SAMPLES) for label, apply in labels.items()} for file, labels in CHANGES.items()
}
EXPERIMENT = variants.Experiment(records.TRIED, VARIANTS, "tried", key="trials", dated=True)


if __name__ == "__main__":
    variants.main(__doc__, EXPERIMENT)
