"""Makes the demo's tokenizer and models from nothing: `python -m jobs.demo.train --size large`.

Boundary: writes one model folder (config, weights in bfloat16, tokenizer) and, under `--work`,
a checkpoint from which an interrupted run goes on.
Invariant: documents, initial weights and their order follow from `--seed`; the result can differ in
the last bits between machines, because sums of floats are taken in another order.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as functional
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from jobs.demo.batches import Batch, Supply, batches
from jobs.demo.document import draw_document
from jobs.demo.score import exact_matches, held_out_cases, summary
from jobs.demo.sizes import RECIPES, Recipe, Size, llama_config
from jobs.demo.tokenizer import train_tokenizer

MODELS = Path(__file__).parent / "models"
_TOKENIZER_DOCUMENTS = 4000
_CHECKPOINT_EVERY_STEPS = 200
_WARM_UP_STEPS = 100
_FINAL_RATE_SHARE = 0.03
_EVALUATION_SEED = 90_001


@dataclass(frozen=True)
class Run:
    """One training run."""

    recipe: Recipe
    tokenizer: PreTrainedTokenizerFast
    seed: int
    work: Path
    out: Path
    device: torch.device
    evaluation_documents: int = 300


def build_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """The tokenizer both sizes share; follows from the seed alone."""
    drawn = (draw_document(seed, index, is_held_out=False) for index in range(_TOKENIZER_DOCUMENTS))
    return train_tokenizer(f"{document.text()}\n{document.answer.to_json()}" for document in drawn)


def build_optimizers(model: LlamaForCausalLM) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and "embed" not in name
        (matrices if is_matrix else others).append(parameter)
    return (
        torch.optim.Muon(matrices, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0),
    )


def rate_at(step: int, steps: int, peak: float) -> float:
    """Learning rate: linear warm-up, then half a cosine down to a small share of `peak`."""
    if step < _WARM_UP_STEPS:
        return peak * (step + 1) / _WARM_UP_STEPS
    progress = (step - _WARM_UP_STEPS) / max(1, steps - _WARM_UP_STEPS)
    share = _FINAL_RATE_SHARE + (1 - _FINAL_RATE_SHARE) * 0.5 * (1 + math.cos(math.pi * progress))
    return peak * share


def weighted_loss(model: LlamaForCausalLM, batch: Batch, device: torch.device) -> torch.Tensor:
    """Mean cross-entropy per weight of predicting each token from those before it."""
    token_ids, weights = batch.token_ids.to(device), batch.weights.to(device)
    with torch.autocast(device.type, torch.bfloat16):
        logits = model(input_ids=token_ids[:, :-1], use_cache=False).logits
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), token_ids[:, 1:].flatten(), reduction="none"
    )
    shares = weights[:, 1:].flatten()
    return (losses * shares).sum() / shares.sum()


def train(run: Run) -> LlamaForCausalLM:
    """Trains from the last checkpoint or from nothing, and saves the model under `run.out`."""
    torch.manual_seed(run.seed)
    recipe, tokenizer = run.recipe, run.tokenizer
    pad_token_id, end_token_id = tokenizer.convert_tokens_to_ids(["<|pad|>", "<|end|>"])
    config = llama_config(recipe, eos_token_id=end_token_id, pad_token_id=pad_token_id)
    model = LlamaForCausalLM(config).to(run.device)
    optimizers = build_optimizers(model)
    first_step = _restore(run.work, model, optimizers)
    supply = Supply(run.seed, recipe)
    started_s = time.monotonic()
    drawn = batches(supply, tokenizer, first_step, recipe.steps)
    for step, batch in enumerate(drawn, start=first_step):
        rate = rate_at(step, recipe.steps, recipe.peak_rate)
        loss = weighted_loss(model, batch, run.device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
        if step % 25 == 0:
            spent_s = time.monotonic() - started_s
            print(f"step {step} loss {loss.item():.4f} rate {rate:.5f} {spent_s:.0f} s", flush=True)
        if (step + 1) % _CHECKPOINT_EVERY_STEPS == 0 or step + 1 == recipe.steps:
            _save_checkpoint(run.work, model, optimizers, step + 1)
            _report(run, model, tokenizer)
    save_model(model, tokenizer, run.out)
    return model


def save_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes the folder that transformers and vLLM load; weights in bfloat16."""
    kept_type = model.dtype
    model.generation_config.do_sample = False
    model.to(torch.bfloat16).save_pretrained(out)
    model.to(kept_type)
    tokenizer.save_pretrained(out)
    for file in out.iterdir():
        file.chmod(0o644)


def _report(run: Run, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    cases = held_out_cases(_EVALUATION_SEED, run.evaluation_documents)
    model.eval()
    print(summary(cases, exact_matches(model, tokenizer, cases, run.device)), flush=True)
    model.train()


def _save_checkpoint(
    work: Path, model: LlamaForCausalLM, optimizers: Sequence[torch.optim.Optimizer], step: int
) -> None:
    work.mkdir(parents=True, exist_ok=True)
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.save({"model": model.state_dict(), "optimizers": states, "step": step}, work / "part")
    (work / "part").replace(work / "checkpoint.pt")


def _restore(
    work: Path, model: LlamaForCausalLM, optimizers: Sequence[torch.optim.Optimizer]
) -> int:
    """The step to go on with; 0 without a checkpoint."""
    path = work / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=Size, choices=list(Size), required=True)
    parser.add_argument("--steps", type=int, help="instead of the recipe's number of steps")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, help="CPU threads; all cores if not given")
    parser.add_argument("--work", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--out", type=Path, help="model folder; the committed one if not given")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = RECIPES[options.size]
    if options.steps:
        recipe = replace(recipe, steps=options.steps)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out = options.out or MODELS / options.size
    tokenizer = build_tokenizer(options.seed)
    train(Run(recipe, tokenizer, options.seed, options.work / options.size, out, device))


if __name__ == "__main__":
    main()
