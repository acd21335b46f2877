"""Vocabularies: which encoding a model's text is counted in, and what encodes it; the only importer of tiktoken.

Nothing is downloaded: the vocabularies are those that litellm ships.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from meter.errors import UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Sized
    from pathlib import Path

DEFAULT_ENCODING = "o200k_base"
"""What models are counted with whose encoding nobody told tiktoken."""
SHIPPED = ("o200k_base", "cl100k_base", "p50k_base")
COUNTED_AS = {
    # the same vocabulary: only special tokens differ, and text has none
    "o200k_harmony": "o200k_base",
    "p50k_edit": "p50k_base",
    # not shipped; p50k_base adds tokens for runs of spaces to this vocabulary
    "r50k_base": "p50k_base",
    "gpt2": "p50k_base",
}


@lru_cache(maxsize=1024)
def encoding_for(model: str) -> str:
    """Return the name of a model's encoding: tiktoken's for OpenAI's models under any prefix, else the default."""
    import tiktoken

    name = model.rsplit("/", 1)[-1].lower().rpartition("openai.")[2]
    first, _, rest = name.partition(":")
    name = rest.partition(":")[0] if first == "ft" else first
    try:
        return tiktoken.encoding_name_for_model(name)
    except KeyError:
        return DEFAULT_ENCODING


def known_encoding(encoding: str) -> str:
    """Return the name of an encoding; raise UnknownName for what is none."""
    import tiktoken

    names = tiktoken.list_encoding_names()
    if encoding not in names:
        raise UnknownName(
            f'No encoding is named "{encoding}".{suggest(encoding, names)} Encodings are {", ".join(sorted(names))}.'
        )
    return encoding


def encoder(name: str) -> Callable[[str], Sized]:
    """Return what encodes text, from tiktoken's definition and a vocabulary file that litellm ships.

    The definitions are run in a copy of their own, where the reader of files is ours: tiktoken's would download what
    it does not find, and learns where to look only from the environment, which belongs to the whole process.
    """
    import importlib.util

    import tiktoken

    loaded = tiktoken.registry.ENCODINGS.get(name)
    if loaded is not None:
        return loaded.encode_ordinary
    spec = importlib.util.find_spec("tiktoken_ext.openai_public")
    if spec is None or spec.loader is None:
        raise LookupError(name)
    definitions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(definitions)
    names = vars(definitions)
    if "load_tiktoken_bpe" not in names:
        raise LookupError(name)
    names["load_tiktoken_bpe"] = _read_vocabulary
    return tiktoken.Encoding(**names["ENCODING_CONSTRUCTORS"][name]()).encode_ordinary


def quarters(text: str) -> Sized:
    """Stand in for an encoder where there is no vocabulary at all: a token per four bytes."""
    return range((len(text.encode("utf-8", "surrogatepass")) + 3) // 4)


def _read_vocabulary(url: str, expected_hash: str | None = None) -> dict[bytes, int]:
    """Return a vocabulary from litellm's copy of tiktoken's file; raise OSError where there is none."""
    from binascii import a2b_base64
    from hashlib import sha1, sha256

    data = (_folder() / sha1(url.encode(), usedforsecurity=False).hexdigest()).read_bytes()
    if expected_hash and sha256(data).hexdigest() != expected_hash:
        raise OSError(f"The vocabulary of {url} that litellm ships is not the one that tiktoken knows.")
    # a loop, not one call: other threads run between its steps
    ranks = {}
    for line in data.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[a2b_base64(token)] = int(rank)
    return ranks


def _folder() -> Path:
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("litellm")
    return Path(spec.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers"
