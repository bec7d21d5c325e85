#!/usr/bin/env python3
"""Chats through one node with the PyPI clients `openai` and `ollama`, unmodified, streaming and not.

usage: client_test.py BASE_URL API_KEY MODEL

Prints one line of JSON for each answer: which client, whether it streamed, in how many pieces, which node answered, why,
and the text. Exits with 1 if any answer is empty, came from nobody, or did not stream where it should.
"""

import json
import sys

import ollama
import openai

MESSAGES = [{"role": "user", "content": "Name three colours."}]


def report(client, pieces, headers, is_streaming):
    text = "".join(pieces)
    answer = {
        "client": client,
        "streaming": is_streaming,
        "pieces": len(pieces),
        "node": headers.get("x-mesh-node"),
        "decision": headers.get("x-mesh-decision"),
        "text": text,
    }
    print(json.dumps(answer), flush=True)
    return bool(text.strip()) and bool(answer["node"]) and (len(pieces) > 1) == is_streaming


def chat_openai(base, key, model):
    client = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=120)
    raw = client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES, max_tokens=32)
    yield report("openai", [raw.parse().choices[0].message.content or ""], raw.headers, False)
    raw = client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES, max_tokens=32, stream=True)
    pieces = [c.choices[0].delta.content for c in raw.parse() if c.choices and c.choices[0].delta.content]
    yield report("openai", pieces, raw.headers, True)


def chat_ollama(base, key, model):
    headers = {}
    hooks = {"response": [lambda response: headers.update(response.headers)]}
    client = ollama.Client(host=base, headers={"Authorization": "Bearer " + key}, event_hooks=hooks, timeout=120)
    options = {"num_predict": 32}
    whole = client.chat(model=model, messages=MESSAGES, options=options)
    yield report("ollama", [whole.message.content], headers, False)
    headers.clear()
    parts = client.chat(model=model, messages=MESSAGES, options=options, stream=True)
    pieces = [part.message.content for part in parts if part.message.content]
    yield report("ollama", pieces, headers, True)


def main():
    base, key, model = sys.argv[1:]
    good = [*chat_openai(base, key, model), *chat_ollama(base, key, model)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
