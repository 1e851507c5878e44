"""JSON with the numbers that it lacks."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(content: Any) -> str:
    """JSON text; numbers that are not finite, which JSON lacks, become the strings "inf", "-inf" and "nan"."""
    return json.dumps(_finite(content), indent=1, ensure_ascii=False)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if hasattr(content, "item"):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    return content
