"""Write a tiny Llama: a tokenizer and a config, no weights (`--load-format dummy` invents them).

Run by `install` with vLLM's own interpreter, because it needs the libraries installed there:
`python tiny_model.py DIRECTORY`.
"""

import sys
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # type: ignore[import-not-found]
from transformers import LlamaConfig, PreTrainedTokenizerFast  # type: ignore[import-not-found]

VOCABULARY_SIZE = 1024
SPECIAL_TOKENS = ["<s>", "</s>", "<pad>"]
# Plain enough that a test can count the tokens of a prompt through /tokenize and reason about them.
CHAT_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
# Far more positions than a test needs, so that `max_model_len` alone decides how long a stream may get.
MAX_POSITIONS = 65_536


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer: it can spell every Unicode text, in any language.

    It learns from the language reference that every Python carries for `help()`.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((topics[name] for name in sorted(topics)), trainer)
    bos, eos, pad = SPECIAL_TOKENS
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token=pad)
    fast.chat_template = CHAT_TEMPLATE
    return fast


def tiny_llama_config() -> LlamaConfig:
    """Return a two-layer Llama; its head size is 64 because vLLM's CPU attention refuses less than 32."""
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=VOCABULARY_SIZE,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=MAX_POSITIONS,
        bos_token_id=SPECIAL_TOKENS.index("<s>"),
        eos_token_id=SPECIAL_TOKENS.index("</s>"),
        dtype="float32",
    )


if __name__ == "__main__":
    train_tokenizer().save_pretrained(sys.argv[1])
    tiny_llama_config().save_pretrained(sys.argv[1])
