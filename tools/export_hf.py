"""把 base.pth 变成 Hugging Face 的文件夹：AutoModelForCausalLM、AutoTokenizer 不联网就能读。

用法：
    pip install -r tools/requirements.txt && python tools/export_hf.py modern/base.pth 输出的文件夹

写 config.json、model.safetensors（transformers 的 Qwen3）和 tokenizer.json（一个字一个编号）。
"""

import argparse
import json
from pathlib import Path

import torch

UNKNOWN = "[UNK]"
NAMES = {
    "token_embedding": "model.embed_tokens",
    "blocks": "model.layers",
    "ln1": "input_layernorm",
    "ln2": "post_attention_layernorm",
    "ln_f": "model.norm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.proj": "self_attn.o_proj",
    "attention.q_norm": "self_attn.q_norm",
    "attention.k_norm": "self_attn.k_norm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
}


def rename(weights):
    """我们的权重（{名字: 张量}）→ transformers 的 Qwen3 的名字，张量不变。"""
    found = {}
    for key, value in weights.items():
        for ours, theirs in NAMES.items():
            key = key.replace(f"{ours}.", f"{theirs}.")
        found[key] = value
    return found


def qwen3(config, vocab_size, weights):
    """config（base.pth 里的）、词表大小、权重 → transformers 的 Qwen3ForCausalLM（评估模式）。
    权重对不上就抛 RuntimeError。
    """
    import transformers

    theirs = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=vocab_size,
            hidden_size=config["n_embed"],
            intermediate_size=weights["blocks.0.feed_forward.up.weight"].shape[0],
            num_hidden_layers=config["n_layer"],
            num_attention_heads=config["n_head"],
            num_key_value_heads=config.get("n_kv_head", config["n_head"]),
            head_dim=weights["blocks.0.attention.q_norm.weight"].shape[0],
            rope_parameters={"rope_type": "default", "rope_theta": float(config.get("rope_theta", 10000))},
            rms_norm_eps=1e-6,
            tie_word_embeddings=torch.equal(weights["lm_head.weight"], weights["token_embedding.weight"]),
            max_position_embeddings=config["block_size"],
            attention_bias=False,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
        )
    )
    theirs.load_state_dict(rename(weights))
    return theirs.eval()


def tokenizer_json(chars):
    """词表（[字, …]，次序就是编号）→ tokenizer.json 的内容（dict）：不归一、不加空格，一个字一段。

    模型没学过的字没有编号：UNKNOWN 不在词表里，编码时 tokenizers 抛异常，不会悄悄当成别的字。
    """
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {char: k for k, char in enumerate(chars)}, "unk_token": UNKNOWN},
    }


def export(checkpoint, folder):
    """checkpoint：base.pth 的内容（dict）；写进 folder（Path）。"""
    qwen3(checkpoint["config"], len(checkpoint["chars"]), checkpoint["model"]).save_pretrained(folder)
    content = json.dumps(tokenizer_json(checkpoint["chars"]), ensure_ascii=False)
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="base.pth")
    parser.add_argument("folder", type=Path, metavar="输出的文件夹")
    arguments = parser.parse_args()
    try:
        checkpoint = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
        chars, config, model = checkpoint["chars"], checkpoint["config"], checkpoint["model"]
    except Exception as error:
        raise SystemExit(
            f"读不出 {arguments.checkpoint}，请先运行 python modern/babygpt_v24_base.py。（{type(error).__name__}）"
        ) from None
    if not {"token_embedding.weight", "blocks.0.attention.query.weight"} <= set(model):
        raise SystemExit(f"{arguments.checkpoint} 里不是一整个模型：LoRA 只存了窄路。请换 v24、v25、v32 那样的一份。")
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        export({"chars": chars, "config": config, "model": model}, arguments.folder)
    except OSError as error:
        raise SystemExit(f"写不进 {arguments.folder}，请换一个文件夹。（{error}）") from None
    print(f"写好了：{arguments.folder}")


if __name__ == "__main__":
    main()
