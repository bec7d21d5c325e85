// Where one is signed in, and ending it from afar.

import { $, el, setAttribute, setText, sync } from "./dom.js";
import { ago, ahead, client as clientName, exact, plural } from "./format.js";

const REFRESH_INTERVAL_MS = 3000;

export class SessionsView {
  #client;
  #onSignOut;
  #sessions = [];
  #username = "";
  #isShown = false;
  #loadedAt = 0;
  #appliedIndex = -1;
  #isListTrouble = false;

  /** `onSignOut` ends this browser's own session. */
  constructor(client, onSignOut) {
    this.#client = client;
    this.#onSignOut = onSignOut;
    $("all-sessions").addEventListener("change", () => this.load());
    $("revoke-others").addEventListener("click", () => this.#revokeOthers());
  }

  setUser({ username, role }) {
    this.#username = username;
    $("all-label").hidden = role !== "admin";
    $("all-sessions").checked = false;
    this.#sessions = [];
    $("session-rows").replaceChildren();
    this.#tell(null);
  }

  set isShown(value) {
    this.#isShown = value;
    if (!value) return;
    this.#tell(null);
    this.load();
  }

  /** Sessions change with the log, and only with it. */
  update(status) {
    const isDue = status.applied_index !== this.#appliedIndex && Date.now() - this.#loadedAt > REFRESH_INTERVAL_MS;
    if (this.#isShown && isDue) {
      this.#appliedIndex = status.applied_index;
      this.load();
    }
  }

  async load() {
    this.#loadedAt = Date.now();
    try {
      const query = $("all-sessions").checked ? "?all=true" : "";
      this.#sessions = (await this.#client.json(`/mesh/v1/auth/sessions${query}`)).sessions;
      // Why a session could not be ended stays readable while the list goes on.
      if (this.#isListTrouble) this.#tell(null);
      this.#draw();
    } catch (failure) {
      this.#tell(failure, true);
    }
  }

  #draw() {
    sync($("session-rows"), this.#sessions, (session) => session.id, (session) => this.#makeRow(session));
    $("revoke-others").hidden = this.#others().length === 0;
  }

  #others() {
    return this.#sessions.filter((session) => !session.current && session.username === this.#username);
  }

  #makeRow(session) {
    const owner = session.username === this.#username ? null : el("span", { class: "badge plain" }, session.username);
    const mine = session.current ? el("span", { class: "badge self" }, "this browser") : null;
    const [since, refreshed, lapses] = ["Since", "Last refreshed", "Lapses"].map((label) => el("td", { "data-label": label }));
    const name = clientName(session.client);
    const button = session.current
      ? el("button", { type: "button", class: "plain", onclick: () => this.#onSignOut() }, "Sign out")
      : el("button", {
        type: "button", class: "plain danger", "aria-label": `End the session of ${name} on ${session.node}`,
        onclick: () => this.#revoke([session], button),
      }, "End");
    const row = el("tr", { "data-session": session.id },
      el("th", { scope: "row", title: session.client }, name, mine, owner),
      el("td", { "data-label": "Signed in on" }, session.node), since, refreshed, lapses, el("td", { class: "action" }, button));
    row.update = (now) => {
      const moments = [[since, ago, now.created_at], [refreshed, ago, now.last_refreshed_at], [lapses, ahead, now.expires_at]];
      for (const [cell, text, moment] of moments) {
        setText(cell, text(moment, Date.now()));
        setAttribute(cell, "title", exact(moment));
      }
    };
    return row;
  }

  async #revokeOthers() {
    const others = this.#others();
    if (!confirm(`End ${plural(others.length, "other session")} of yours? Whoever uses them must sign in again.`)) return;
    await this.#revoke(others, $("revoke-others"));
  }

  async #revoke(sessions, button) {
    button.disabled = true;
    this.#tell(null);
    try {
      for (const session of sessions) {
        await this.#client.request(`/mesh/v1/auth/sessions/${session.id}`, { method: "DELETE" }).catch((failure) => {
          if (failure.status !== 404) throw failure;  // it had ended already, which is what was asked for
        });
      }
      setText($("sessions-status"), `${plural(sessions.length, "session")} ended.`);
      $("main").focus({ preventScroll: true });
      await this.load();
    } catch (failure) {
      this.#tell(failure);
    } finally {
      button.disabled = false;
    }
  }

  #tell(failure, isListTrouble = false) {
    this.#isListTrouble = isListTrouble;
    $("sessions-error").hidden = failure === null;
    setText($("sessions-error"), failure === null ? "" : failure.message);
  }
}
