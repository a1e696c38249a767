"""Tiny models of every known layout, their weights at random, norms and biases too."""

import torch
import transformers

VOCABULARY = 50
POSITIONS = 32
SIZE = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}


def _config(kind, **more):
    common = {"vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS}
    return kind(**common | SPECIAL | SIZE | more)


def _gpt2(rate):
    sites = dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), rate)
    config = _config(transformers.GPT2Config, n_inner=24, **sites)
    return transformers.GPT2LMHeadModel(config)


def _gpt_neox(rate, parallel=True):
    config = _config(
        transformers.GPTNeoXConfig,
        intermediate_size=24,
        hidden_dropout=rate,
        attention_dropout=rate,
        use_parallel_residual=parallel,
    )
    return transformers.GPTNeoXForCausalLM(config)


def _llama(kind, model):
    def build(rate):
        more = {"intermediate_size": 24, "num_key_value_heads": 1}
        return model(_config(kind, attention_dropout=rate, **more))

    return build


def _bert(kind, model):
    def build(rate):
        sites = ("hidden_dropout_prob", "attention_probs_dropout_prob")
        config = _config(kind, intermediate_size=24, **dict.fromkeys(sites, rate))
        return model(config)

    return build


BUILD = {
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "gpt_neox_sequential": lambda rate: _gpt_neox(rate, parallel=False),
    "llama": _llama(transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": _llama(transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": _llama(transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "bert": _bert(transformers.BertConfig, transformers.BertModel),
    "roberta": _bert(transformers.RobertaConfig, transformers.RobertaForMaskedLM),
}
LAYOUTS = ("gpt2", "gpt_neox", "llama", "bert")
"""One model of every layout."""

FAMILY = {
    "gpt_neox_sequential": "gpt_neox",
    "mistral": "llama",
    "qwen2": "llama",
    "roberta": "bert",
}


def tiny(name, *, seed=0, rate=0.0):
    """A model in eval mode, every parameter drawn anew: no gain is 1, no bias 0."""
    torch.manual_seed(seed)
    model = BUILD[name](rate).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter) + 0.1)
    return model


def tokens(*shape, seed=0):
    """Token ids at random, none of them 0, which pads."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, VOCABULARY, shape, generator=generator)
