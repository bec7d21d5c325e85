// What everybody must know before reading on: this node is cut off, or this page has lost the node.

import { $, el, setText, sync } from "./dom.js";
import { plural } from "./format.js";

export class Banners {
  #status = null;
  #connection = { state: "connecting", until: 0, failures: 0, reason: "" };
  #isSignedIn = false;
  #reconnect;

  /** `reconnect` tries at once instead of at the end of the wait. */
  constructor(reconnect) {
    this.#reconnect = reconnect;
    setInterval(() => this.#connection.state === "lost" && this.#draw(), 1000);
  }

  set isSignedIn(value) {
    this.#isSignedIn = value;
    if (!value) this.#status = null;
    this.#draw();
  }

  set status(value) {
    this.#status = value;
    this.#draw();
  }

  set connection(value) {
    this.#connection = value;
    this.#draw();
  }

  #draw() {
    document.body.dataset.picture = this.#isOutdated ? "old" : "fresh";
    const items = this.#isSignedIn ? [this.#connectionNotice(), this.#meshNotice()].filter((item) => item !== null) : [];
    sync($("banners"), items, (item) => item.key, (item) => this.#make(item));
    this.#drawLight();
  }

  #make({ kind, isRetriable }) {
    const title = el("b");
    const detail = el("span");
    const retry = isRetriable ? el("button", { type: "button", class: "plain", onclick: this.#reconnect }, "Try now") : null;
    const banner = el("div", { class: `banner ${kind}` }, el("p", {}, title, " ", detail), retry);
    banner.update = (item) => {
      setText(title, item.title);
      setText(detail, item.detail);
    };
    return banner;
  }

  #connectionNotice() {
    if (!this.#isOutdated) return null;
    return {
      key: "connection", kind: "warn", isRetriable: true, title: "Live updates stopped.",
      detail: `${this.#connection.reason} What you see is the last picture that arrived.`,
    };
  }

  /** One broken stream is mended within a second, most of the time: no reason to alarm anybody. */
  get #isOutdated() {
    return this.#isSignedIn && this.#connection.state !== "live" && this.#connection.failures >= 2;
  }

  #meshNotice() {
    const status = this.#status;
    if (status === null) return null;
    const { voters, needed, reachable, has_quorum: hasQuorum } = status.quorum;
    const count = `${reachable} of ${plural(voters, "voter")} within reach, ${needed} needed`;
    if (hasQuorum && !status.is_isolated) return null;
    if (!hasQuorum && reachable >= needed && !status.is_isolated) {
      return {
        key: "electing", kind: "info", title: "A primary is being elected.",
        detail: `${count}. Signing in and ending sessions wait for it; this takes about a second.`,
      };
    }
    if (status.is_isolated) {
      return {
        key: "isolated", kind: "bad", title: `${status.node} hears from no other node.`,
        detail: "Most likely its own network is down; it takes the others for dead until it hears from one. "
          + "Whoever is signed in stays signed in, and it answers with its own models alone.",
      };
    }
    return {
      key: "cut-off", kind: "bad", title: `${status.node} is cut off from the majority.`,
      detail: `${count}. Whoever is signed in stays signed in, and prompts go to the nodes still in reach. `
        + "Signing in, signing out and changes must wait until more are back, or be done on a node that sees a majority.",
    };
  }

  #drawLight() {
    const { state, until } = this.#connection;
    const seconds = Math.max(Math.ceil((until - Date.now()) / 1000), 0);
    $("live").dataset.state = state;
    const wait = seconds > 0 ? `Retry in ${seconds} s` : "Retrying";
    setText($("live-text"), { live: "Live", connecting: "Connecting", lost: wait }[state]);
  }
}
