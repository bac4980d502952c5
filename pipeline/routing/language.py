"""The language of a text, recognised offline from its bytes by py3langid's naive Bayes model.

Boundary: the only file that imports py3langid; its model (4 MB) is loaded with the first text.
Invariant: deterministic; a text that is too short or too mixed has no language rather than a guess.
"""

from functools import lru_cache
from typing import Any

_CODES = (
    "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et "
    "eu ext fa fi fo fr fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy "
    "id ig is it ja jv ka kab kik kk km kn ko ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn "
    "mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se si sk sl sn "
    "so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu"
)
LANGUAGES = frozenset(_CODES.split())
"""The codes that can be recognised (ISO 639-1, and 639-3 where there is none)."""

_SEARCHED_CHARACTERS = 4_000
_FEWEST_LETTERS = 12
_LEAST_PROBABILITY = 0.5  # above it, no other language is as likely


def language_of(text: str) -> str | None:
    """The code of the language of the first 4,000 characters; None when unsure.

    Unsure is a text with fewer than 12 letters, and one to which the model gives no language a
    probability of at least one half.
    """
    start = text[:_SEARCHED_CHARACTERS]
    if sum(map(str.isalpha, start)) < _FEWEST_LETTERS:
        return None
    code, probability = _identifier().classify(start.encode("utf-8", "replace"))
    return code if probability >= _LEAST_PROBABILITY and code in LANGUAGES else None


@lru_cache(maxsize=1)
def _identifier() -> Any:
    # Imported here, since its model takes some tenths of a second to load and few jobs need it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
