"""Renders chat templates with transformers, for check-chat-templates.ts, which calls this script.

    python3 -m venv venv && venv/bin/pip install transformers==5.23.0 jinja2
    npx tsx scripts/check-chat-templates.ts FOLDER --python venv/bin/python

Reads {"templates": {name: text}, "cases": [{"name", "messages", "options"}]} from standard input; writes
{name: {case: {"text": …} | {"error": …}}} to standard output. `options` go to the template as apply_chat_template hands
them over.
"""

import json
import sys

from transformers.utils.chat_template_utils import render_jinja_template


def render(template: str, case: dict) -> dict:
    try:
        rendered = render_jinja_template(conversations=[case["messages"]], chat_template=template, **case["options"])
        text = rendered[0] if isinstance(rendered, tuple) else rendered
        return {"text": text[0] if isinstance(text, list) else text}
    except Exception as error:  # a template may raise anything
        return {"error": f"{type(error).__name__}: {error}"}


request = json.load(sys.stdin)
answer = {
    name: {case["name"]: render(template, case) for case in request["cases"]}
    for name, template in request["templates"].items()
}
json.dump(answer, sys.stdout, ensure_ascii=False)
