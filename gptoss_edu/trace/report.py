"""Report the router's behaviour over many conversations: load, and what the first expert tells about a token."""

from __future__ import annotations

import numpy as np

from .analysis import Corpus, entropy_bits, p_value

LABELS = ("token", "kind", "role", "channel")


def router_report(corpus: Corpus, labels=LABELS, repeats: int = 100, seed: int = 0) -> dict:
    """Compute load entropy, busiest expert, and mutual information of the first expert with each label, with nulls.

    Returns
    -------
    {"tokens", "experts", "layers": [{"layer", "load_bits", "busiest", "busiest_share", "information": {label: {"bits",
    "null_95", "p"}}}]}
    """
    layers = []
    for layer in range(corpus.experts.shape[0]):
        load = corpus.load(layer)
        information = {}
        for label in labels:
            bits, null = corpus.information(label, layer, repeats, seed)
            information[label] = {
                "bits": round(bits, 4),
                "null_95": round(float(np.quantile(null, 0.95)), 4),
                "p": round(p_value(bits, null), 4),
            }
        layers.append(
            {
                "layer": layer,
                "load_bits": round(entropy_bits(load), 3),
                "busiest": int(load.argmax()),
                "busiest_share": round(float(load.max()), 4),
                "information": information,
            }
        )
    return {"tokens": len(corpus), "experts": corpus.n_experts, "layers": layers}


def as_text(report: dict) -> str:
    """Format the report as a table for a terminal: bits, with the shuffled null's 95 % quantile in brackets."""
    labels = list(report["layers"][0]["information"])
    lines = [
        (
            f"{report['tokens']} tokens; even load over {report['experts']} experts is {np.log2(report['experts']):.2f}"
            " bits"
        ),
        "layer   load  busiest        " + "".join(f"{label:>16}" for label in labels),
    ]
    for row in report["layers"]:
        cells = "".join(f"{v['bits']:>8.3f} [{v['null_95']:.3f}]" for v in row["information"].values())
        lines.append(
            f"{row['layer']:>5} {row['load_bits']:>6.2f}  {row['busiest']:>3} ({row['busiest_share']:.1%})   {cells}"
        )
    return "\n".join(lines)
