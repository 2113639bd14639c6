"""Views as pieces of one self-contained page, the same bytes whenever the same views are embedded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bokeh.document import Document
from bokeh.resources import Resources

COMPONENTS = ["bokeh", "bokeh-widgets"]


def library() -> str:
    """Bokeh's own scripts as one ``<script>`` element; needed once in a page, fetches nothing."""
    text = "\n".join(Resources(mode="inline", components=COMPONENTS, log_level="warn").js_raw)
    if "</script" in text.lower():
        text = re.sub("</script", r"<\\/script", text, flags=re.IGNORECASE)
    return f"<script>\n{text}\n</script>\n"


def embed(views: Mapping[str, Any], *, name: str = "views") -> tuple[dict[str, str], str]:
    """Elements to put where each view belongs, by its name, and the script that fills them (to come after `library`).

    Ids of models are counted anew in the order in which they appear, so that nothing of the process or the clock is inside.
    A view's first tag, if it is a callback, runs once the page is ready.
    """
    document = Document()
    starters = []
    for view in views.values():
        document.add_root(view)
        starters += [model for model in view.tags if hasattr(model, "execute") or hasattr(model, "code")]
    content: dict[str, Any] = json.loads(json.dumps(document.to_json(deferred=False)))
    ids: dict[str, str] = {}
    renumber(content, ids)
    roots = {ids[view.id]: f"{name}-{key}" for key, view in views.items()}
    item = {"docid": name, "roots": roots, "root_ids": list(roots)}
    first = [ids[model.id] for model in starters]
    data = json.dumps({name: content}, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    script = (
        f'<script type="application/json" id="{name}-data">{data}</script>\n'
        "<script>\n"
        '(async () => {\n  document.documentElement.dataset.views = "loading"\n'
        f'  const docs = JSON.parse(document.getElementById("{name}-data").textContent)\n'
        f"  await Bokeh.embed.embed_items(docs, [{json.dumps(item)}])\n"
        f"  const doc = Bokeh.documents[Bokeh.documents.length - 1]\n"
        f"  for (const id of {json.dumps(first)}) await doc.get_model_by_id(id).execute(doc)\n"
        '  document.documentElement.dataset.views = "ready"\n'
        "})().catch(error => { delete document.documentElement.dataset.views; throw error })\n"
        "</script>\n"
    )
    return {key: f'<div id="{name}-{key}" class="view"></div>' for key in views}, script


def renumber(node: Any, ids: dict[str, str]) -> None:
    """Count model ids in ``node`` (JSON of a document) anew, in place; ``ids`` gets old -> new."""
    if isinstance(node, dict):
        own = node.get("id")
        if isinstance(own, str) and (set(node) == {"id"} or {"type", "name"} <= set(node) or "type" in node):
            node["id"] = ids.setdefault(own, f"m{len(ids) + 1}")
        for key, value in node.items():
            if key != "id":
                renumber(value, ids)
    elif isinstance(node, list):
        for value in node:
            renumber(value, ids)
