"""Models that other programs keep on this machine: "ollama:gpt-oss:20b" and "lmstudio:gpt-oss-20b" as paths.

Ollama keeps one manifest per name and tag, and files named by checksum; LM Studio keeps folders PUBLISHER/MODEL with
GGUF files. Files are read in place, not copied.

Source: ollama, docs/import.md and server/modelpath.go (OLLAMA_MODELS); LM Studio's documentation, "Import models".
"""

import json
import os
from pathlib import Path

from gptoss_edu.errors import CheckpointError

OLLAMA, LM_STUDIO = "ollama:", "lmstudio:"
MODEL_LAYER = "application/vnd.ollama.image.model"
SYSTEM_WIDE = Path("/usr/share/ollama/.ollama/models")  # where Ollama's Linux service keeps them
STUDIO_FOLDERS = (".lmstudio/models", ".cache/lm-studio/models")  # now, and before 2025


def local_path(path) -> Path:
    """Return the path itself, or the file behind a name that begins with "ollama:" or "lmstudio:".

    Errors: `CheckpointError` if this machine has no such model; names those that it has.
    """
    text = str(path)
    if text.startswith(OLLAMA):
        return ollama_file(text.removeprefix(OLLAMA))
    if text.startswith(LM_STUDIO):
        return lm_studio_file(text.removeprefix(LM_STUDIO))
    return Path(path)


def ollama_folders() -> list[Path]:
    """Return the folders in which Ollama may keep its models; only OLLAMA_MODELS if that is set."""
    if named := os.environ.get("OLLAMA_MODELS"):
        return [Path(named)]
    return [Path.home() / ".ollama" / "models", SYSTEM_WIDE]


def ollama_models() -> dict[str, Path]:
    """Return the manifest of every model that Ollama keeps here, by name with tag."""
    found = {}
    for folder in ollama_folders():
        for path in sorted((folder / "manifests").glob("*/*/*/*")):
            host, namespace, name, tag = path.relative_to(folder / "manifests").parts
            short = name if namespace == "library" else f"{namespace}/{name}"
            found.setdefault(f"{short}:{tag}" if host == "registry.ollama.ai" else f"{host}/{short}:{tag}", path)
    return found


def ollama_file(name: str) -> Path:
    """Return the GGUF file of one of Ollama's models; the default tag is `latest`, as in Ollama."""
    models = ollama_models()
    wanted = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    if wanted not in models:
        raise _not_kept(OLLAMA, wanted, list(models), ollama_folders(), f"`ollama pull {wanted}` fetches it")
    manifest = models[wanted]
    try:
        layers = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
        digest = next(layer["digest"] for layer in layers if layer["mediaType"] == MODEL_LAYER)
    except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError):
        raise CheckpointError(
            f"{manifest}: expected Ollama's manifest with a layer of the type {MODEL_LAYER}, found something else; "
            f"run `ollama pull {wanted}` again."
        ) from None
    blob = manifest.parents[4] / "blobs" / digest.replace(":", "-")
    if not blob.is_file():
        raise CheckpointError(f"{blob}: the file of {wanted} is missing; run `ollama pull {wanted}` again.")
    return blob


def lm_studio_models() -> dict[str, Path]:
    """Return the first file of every GGUF model that LM Studio keeps here, by folder and file name."""
    found = {}
    for folder in (Path.home() / place for place in STUDIO_FOLDERS):
        for path in sorted(folder.glob("*/*/*.gguf")):
            part = path.name.partition("-of-")[0]
            if path.name.startswith(("mmproj", ".")) or ("-of-" in path.name and not part.endswith("-00001")):
                continue
            found.setdefault("/".join(path.relative_to(folder).parts), path)
    return found


def lm_studio_file(name: str) -> Path:
    """Return the GGUF file of an LM Studio model, named publisher/model or model, with or without the file's name."""
    models = lm_studio_models()
    wanted = name.lower().removesuffix(".gguf")
    fitting = [key for key in models if f"/{wanted}/" in f"/{key.lower().removesuffix('.gguf')}/"]
    fitting = fitting or [key for key in models if key.split("/")[1].lower().removesuffix("-gguf") == wanted]
    if len(fitting) > 1:
        raise CheckpointError(f"{LM_STUDIO}{name}: matches {len(fitting)} files here; name one: {', '.join(fitting)}.")
    if not fitting:
        folders = [Path.home() / place for place in STUDIO_FOLDERS]
        raise _not_kept(LM_STUDIO, name, list(models), folders, f"`lms get {name}` fetches it")
    return models[fitting[0]]


def _not_kept(kind: str, name: str, models: list[str], folders: list[Path], way: str) -> CheckpointError:
    there = f"these are kept: {', '.join(models)}" if models else f"none is kept in {' or '.join(map(str, folders))}"
    return CheckpointError(f"{kind}{name}: no such model is kept on this machine; {there}; {way}.")
