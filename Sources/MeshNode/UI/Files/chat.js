// Chat with any model of the mesh. Each answer says which node gave it and unfolds into why.

import { Answer } from "./answer.js";
import { serverSentEvents } from "./client.js";
import { $, el, setText, sync } from "./dom.js";
import { milliseconds } from "./format.js";

const FORECAST_INTERVAL_MS = 5000;
const TYPING_PAUSE_MS = 400;
/** Good enough to forecast with: English has about four letters a token. */
const LETTERS_PER_TOKEN = 4;
const MODEL_KEY = "meshnode.model";

export class ChatView {
  #client;
  #turns = [];
  #models = [];
  #running = null;
  #isShown = false;
  #forecastAt = 0;
  #typing = null;

  constructor(client) {
    this.#client = client;
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    $("prompt").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    $("prompt").addEventListener("input", () => {
      this.#fitPrompt();
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#forecast(), TYPING_PAUSE_MS);
    });
    $("view-chat").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#running?.abort();
    });
    $("stop").addEventListener("click", () => this.#running?.abort());
    $("clear-chat").addEventListener("click", () => this.clear());
    $("model").addEventListener("change", () => {
      localStorage.setItem(MODEL_KEY, $("model").value);
      this.#describeModel();
      this.#forecast();
    });
  }

  set isShown(value) {
    this.#isShown = value;
    if (!value) return;
    this.#forecast();
    if (matchMedia("(pointer: fine)").matches) $("prompt").focus();
  }

  /** Takes the models of every node within reach. */
  update(status) {
    const byName = new Map();
    for (const member of status.members) {
      if (!member.is_self && member.state !== "alive" && member.state !== "suspect") continue;
      for (const model of member.health?.models ?? []) {
        if (!byName.has(model.name)) byName.set(model.name, []);
        byName.get(model.name).push(member.name);
      }
    }
    this.#models = [...byName].map(([name, nodes]) => ({ name, nodes })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const select = $("model");
    const wanted = select.value || localStorage.getItem(MODEL_KEY);
    sync(select, this.#models, (model) => model.name, (model) => el("option", { value: model.name }, model.name));
    if (this.#models.some((model) => model.name === wanted)) select.value = wanted;
    select.disabled = this.#models.length === 0;
    $("send").disabled = this.#models.length === 0;
    this.#describeModel();
    if (this.#isShown && !this.#running && Date.now() - this.#forecastAt > FORECAST_INTERVAL_MS) this.#forecast();
  }

  clear() {
    this.#running?.abort();
    this.#running = null;
    this.#showRunning(false);
    this.#turns = [];
    for (const turn of $("log").querySelectorAll(".turn")) turn.remove();
    $("hello").hidden = false;
    setText($("chat-status"), "");
  }

  #describeModel() {
    const model = this.#models.find(({ name }) => name === $("model").value);
    setText($("model-where"), model ? `on ${model.nodes.join(", ")}` : "No node within reach has a model.");
  }

  #fitPrompt() {
    const prompt = $("prompt");
    prompt.style.height = "auto";
    prompt.style.height = `${Math.min(prompt.scrollHeight + 2, 220)}px`;
  }

  /** Where the next prompt would go, asked beside the way it really goes. Failing to know is no trouble worth words. */
  async #forecast() {
    const model = $("model").value;
    if (!this.#isShown || !model) return;
    this.#forecastAt = Date.now();
    const letters = this.#turns.reduce((sum, turn) => sum + turn.content.length, $("prompt").value.length);
    try {
      const plan = await this.#client.json("/mesh/v1/route/explain", {
        method: "POST", body: { model, prompt_tokens: Math.max(Math.ceil(letters / LETTERS_PER_TOKEN), 1) },
      });
      const winner = plan.candidates.find((candidate) => candidate.node === plan.winner && candidate.excluded === null);
      const words = winner && `Next answer from ${winner.node}, about ${milliseconds(winner.eta_ms)} in all.`;
      setText($("forecast"), words ?? "No node can take a prompt for this model now.");
    } catch {
      setText($("forecast"), "");
    }
  }

  #submit() {
    const text = $("prompt").value.trim();
    if (text === "" || this.#running || $("send").disabled) return;
    $("prompt").value = "";
    this.#fitPrompt();
    this.#ask(text);
  }

  async #ask(text) {
    const model = $("model").value;
    const stop = new AbortController();
    this.#running = stop;
    this.#turns.push({ role: "user", content: text });
    const answer = new Answer(model);
    $("hello").hidden = true;
    const question = el("article", { class: "turn user", "aria-label": "You" }, el("p", { class: "words" }, text));
    $("log").append(question, answer.element);
    answer.element.scrollIntoView({ block: "end" });
    this.#showRunning(true);
    setText($("chat-status"), "Sent. Waiting for an answer.");
    try {
      await this.#stream(model, answer, stop.signal);
      answer.finish("");
      setText($("chat-status"), `${answer.node || "The mesh"} answered: ${answer.text}`);
    } catch (error) {
      if (error.name === "AbortError") answer.finish("Stopped.");
      else answer.fail(error, () => this.#retry(text, answer));
      setText($("chat-status"), error.name === "AbortError" ? "Stopped." : `No answer. ${error.message}`);
    }
    // A turn without an answer would be asked again with every later one.
    if (this.#running !== stop) return;
    if (answer.text === "") this.#turns.pop();
    else this.#turns.push({ role: "assistant", content: answer.text });
    this.#running = null;
    this.#showRunning(false);
  }

  #retry(text, answer) {
    if (this.#running) return;
    answer.element.previousElementSibling.remove();
    answer.element.remove();
    if (answer.text !== "") this.#turns.splice(-2);
    this.#ask(text);
  }

  async #stream(model, answer, signal) {
    const body = { model, messages: this.#turns, stream: true, stream_options: { include_usage: true } };
    const reply = await this.#client.prompt(body, signal);
    answer.begin(reply.headers.get("X-Mesh-Node"), reply.headers.get("X-Mesh-Decision"));
    setText($("chat-status"), `${answer.node} is answering.`);
    let isWhole = false;
    for await (const { data } of serverSentEvents(reply)) {
      if (data === "[DONE]") {
        isWhole = true;
        break;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      if (chunk.usage) answer.usage = chunk.usage;
      const delta = chunk.choices?.[0]?.delta;
      const isAtEnd = this.#isAtEnd();
      answer.add(delta?.content ?? "", delta?.reasoning_content ?? "");
      if (isAtEnd) $("log").scrollTop = $("log").scrollHeight;
    }
    if (!isWhole && !signal.aborted) {
      throw new Error("The answer broke off: the connection to this node was lost. What arrived is incomplete.");
    }
  }

  /** Whoever has scrolled up to read is left there. */
  #isAtEnd() {
    const log = $("log");
    return log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  }

  #showRunning(isRunning) {
    $("send").hidden = isRunning;
    $("stop").hidden = !isRunning;
    $("log").setAttribute("aria-busy", String(isRunning));
    if (!isRunning) this.#forecast();
  }
}
