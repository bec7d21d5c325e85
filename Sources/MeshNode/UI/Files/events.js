// The node's live picture: one event stream, opened anew whenever it breaks.
//
// EventSource cannot send the header half of the sign-in, hence fetch. The node speaks at least every five seconds;
// silence of twice that means the connection is dead even if nobody said so. A page that nobody looks at lets go of its
// stream, as browsers allow six connections to one node in all.

import { serverSentEvents } from "./client.js";

const SILENCE_MAX_MS = 11_000;
const HIDDEN_MAX_MS = 60_000;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 10_000;

export class LiveEvents extends EventTarget {
  #client;
  #stream = null;
  #retry = null;
  #watchdog = null;
  #hiding = null;
  #failures = 0;
  #reason = "";
  #isWanted = false;

  constructor(client) {
    super();
    this.#client = client;
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    window.addEventListener("online", () => this.connectNow());
  }

  start() {
    this.#isWanted = true;
    this.#failures = 0;
    this.#connect();
  }

  stop() {
    this.#isWanted = false;
    this.#close();
  }

  /** Skips what is left of the wait for the next try. */
  connectNow() {
    if (this.#isWanted && this.#stream === null) this.#connect();
  }

  async #connect() {
    this.#close();
    const stream = new AbortController();
    this.#stream = stream;
    this.#tell("connecting");
    this.#expectWord(stream);
    try {
      const reply = await this.#client.request("/mesh/v1/events", { headers: { Accept: "text/event-stream" }, signal: stream.signal });
      for await (const { event, data } of serverSentEvents(reply)) {
        this.#expectWord(stream);
        this.#failures = 0;
        this.#reason = "The node closed the stream.";
        this.#tell("live");
        this.dispatchEvent(new CustomEvent(event, { detail: JSON.parse(data) }));
      }
    } catch (error) {
      if (this.#stream === stream) this.#reason = error.name === "AbortError" ? "The node fell silent." : error.message;
    }
    if (this.#stream === stream) this.#lost();
  }

  #lost() {
    this.#close();
    if (!this.#isWanted) return;
    const delay = Math.min(BACKOFF_MIN_MS * 2 ** this.#failures, BACKOFF_MAX_MS) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#tell("lost", Date.now() + delay);
  }

  #expectWord(stream) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => stream.abort(), SILENCE_MAX_MS);
  }

  #close() {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    const stream = this.#stream;
    this.#stream = null;
    stream?.abort();
  }

  #visibilityChanged() {
    clearTimeout(this.#hiding);
    if (!this.#isWanted) return;
    if (document.hidden) this.#hiding = setTimeout(() => this.#close(), HIDDEN_MAX_MS);
    else this.connectNow();
  }

  /** `until` is when the next try is made. */
  #tell(state, until = 0) {
    const detail = { state, until, failures: this.#failures, reason: this.#reason };
    this.dispatchEvent(new CustomEvent("connection", { detail }));
  }
}
