// Talks to the node that served this page.
//
// Signed in by two halves: a cookie that scripts cannot read, and a secret in this origin's storage that goes along as
// a header. Prompts go to /v1, where cookies do not count: for them the halves are exchanged for an access token that
// lives in memory alone.

const SECRET = "meshnode.secret";
const TOKEN_MARGIN_MS = 60_000;

/** A refusal or failure in words for a person. `status` is 0 where there was no answer at all. */
export class Failure extends Error {
  constructor(status, title, detail, retryAfterSeconds = null) {
    super(detail);
    this.status = status;
    this.title = title;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const NO_ANSWER = "This node does not answer. It may be stopped, or the network between may be down. "
  + "Other nodes serve the same page.";

export class Client extends EventTarget {
  #secret = localStorage.getItem(SECRET);
  #token = null;
  #tokenExpiry = 0;

  get hasSecret() {
    return this.#secret !== null;
  }

  async signIn(username, password) {
    const reply = await this.#send("/mesh/v1/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Mesh-Client": "browser" },
      body: JSON.stringify({ username, password }),
    });
    const grant = await reply.json();
    this.#keep(grant.session_secret);
    return grant;
  }

  async signOut() {
    await this.request("/mesh/v1/auth/logout", { method: "POST", body: {} });
    this.forget();
  }

  forget() {
    this.#keep(null);
  }

  #keep(secret) {
    this.#secret = secret;
    this.#token = null;
    if (secret === null) localStorage.removeItem(SECRET);
    else localStorage.setItem(SECRET, secret);
  }

  /** A reply of the mesh's own paths; `body` becomes JSON. Throws `Failure`; a 401 also fires `signed-out`. */
  async request(path, { method = "GET", body, signal, headers = {} } = {}) {
    const secret = this.#secret;
    const fields = { ...headers, "X-Mesh-Session-Secret": secret ?? "" };
    if (body !== undefined) fields["Content-Type"] = "application/json";
    try {
      const text = body === undefined ? undefined : JSON.stringify(body);
      return await this.#send(path, { method, signal, headers: fields, body: text });
    } catch (failure) {
      // An answer to a session that was replaced meanwhile says nothing of the present one.
      if (failure.status === 401 && this.#secret === secret) this.#expire();
      throw failure;
    }
  }

  async json(path, options) {
    return (await this.request(path, options)).json();
  }

  /** A streamed prompt. If the token is refused, nothing was generated: it is renewed and the prompt sent once more. */
  async prompt(body, signal) {
    for (let attempt = 1; ; attempt++) {
      const token = await this.#accessToken(signal);
      try {
        return await this.#send("/v1/chat/completions", {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
          body: JSON.stringify(body),
          signal,
        });
      } catch (failure) {
        if (failure.status !== 401 || attempt === 2) throw failure;
        this.#token = null;
      }
    }
  }

  async #accessToken(signal) {
    if (this.#token === null || Date.now() > this.#tokenExpiry) {
      const issued = await this.json("/mesh/v1/auth/token", { method: "POST", body: {}, signal });
      this.#token = issued.access_token;
      this.#tokenExpiry = Date.now() + issued.expires_in * 1000 - TOKEN_MARGIN_MS;
    }
    return this.#token;
  }

  #expire() {
    this.forget();
    this.dispatchEvent(new Event("signed-out"));
  }

  async #send(path, options) {
    let reply;
    try {
      reply = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(0, "No answer", NO_ANSWER);
    }
    if (!reply.ok) throw await failureOf(reply);
    return reply;
  }
}

/** Reads a problem document (RFC 9457) or OpenAI's error object; what is neither is told by its status. */
async function failureOf(reply) {
  const retry = Number.parseInt(reply.headers.get("Retry-After") ?? "", 10);
  const document = await reply.json().catch(() => null);
  const title = document?.title ?? "";
  const detail = document?.detail ?? document?.error?.message
    ?? `The node answered ${reply.status} and gave no reason. Its log may say more.`;
  return new Failure(reply.status, title, detail, Number.isNaN(retry) ? null : retry);
}

/** The events of a server-sent stream (HTML Standard §9.2) as `{event, data}`, until it ends. */
export async function* serverSentEvents(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = "message";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
        if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
        else if (line.startsWith("event:")) event = line.slice(6).trim();
        else if (line === "") {
          if (data.length > 0) yield { event, data: data.join("\n") };
          event = "message";
          data = [];
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
