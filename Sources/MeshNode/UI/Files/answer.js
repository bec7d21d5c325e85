// One answer on the page, as it grows: the words as text, who gave it, how fast, and why it was that node.

import { decisionTable } from "./decision.js";
import { el, setText } from "./dom.js";
import { milliseconds, plural } from "./format.js";

/** A rate over fewer tokens says nothing. */
const RATED_TOKENS_MIN = 8;

export class Answer {
  text = "";
  node = "";
  usage = null;
  element;
  #words = el("p", { class: "words" });
  #thinking = el("p", { class: "thinking quiet" });
  #foot = el("footer", { class: "quiet" });
  #decision = null;
  #sentAt = performance.now();
  #firstAt = null;

  constructor(model) {
    this.element = el("article", { class: "turn mesh waiting", "aria-label": `Answer from ${model}` },
      this.#thinking, this.#words, this.#foot);
    setText(this.#foot, "Choosing a node …");
  }

  begin(node, decision) {
    this.node = node ?? "";
    this.#decision = decision;
    setText(this.#foot, `${this.node} is answering …`);
  }

  add(text, thinking) {
    if (text === "" && thinking === "") return;
    this.#firstAt ??= performance.now();
    this.element.classList.remove("waiting");
    this.text += text;
    if (text !== "") this.#words.append(text);
    if (thinking !== "") this.#thinking.append(thinking);
  }

  finish(note) {
    this.element.classList.remove("waiting");
    const now = performance.now();
    const figures = [note];
    if (this.#firstAt !== null) {
      figures.push(`first word after ${milliseconds(this.#firstAt - this.#sentAt)}`, `${milliseconds(now - this.#sentAt)} in all`);
    }
    if (this.usage?.completion_tokens > 0) {
      figures.push(plural(this.usage.completion_tokens, "token"));
      const seconds = (now - this.#firstAt) / 1000;
      if (this.usage.completion_tokens >= RATED_TOKENS_MIN && seconds > 0) {
        figures.push(`${((this.usage.completion_tokens - 1) / seconds).toFixed(0)} tok/s`);
      }
    }
    const line = figures.filter((figure) => figure !== "").join(" · ");
    const by = this.node ? [el("b", { class: "by" }, this.node), ` ${line ? `· ${line}` : ""}`] : [line];
    const table = decisionTable(this.#decision);
    const why = el("span", { class: "why" }, "Why here?");
    this.#foot.replaceChildren(
      table ? el("details", {}, el("summary", {}, ...by, " · ", why), table) : el("span", {}, ...by));
  }

  fail(error, retry) {
    this.finish("");
    this.element.classList.add("failed");
    this.element.append(el("p", { class: "error" }, `${error.title ? `${error.title}. ` : ""}${sentence(error.message)}`, " ",
      el("button", { type: "button", class: "plain", onclick: retry }, "Try again")));
  }
}

function sentence(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
