// The interface of one node: who is signed in, which view is shown, and the live picture handed to all of them.

import { Banners } from "./banners.js";
import { ChatView } from "./chat.js";
import { Client } from "./client.js";
import { $, setAttribute, setText } from "./dom.js";
import { LiveEvents } from "./events.js";
import { MeshView } from "./mesh.js";
import { SessionsView } from "./sessions.js";

const VIEWS = ["mesh", "chat", "sessions"];
const STARTUP_RETRY_MS = 2000;
const NO_PRIMARY = "This node reaches no primary now, so signing in here may be refused. Another node may do better.";
const SESSION_ENDED = "Your session has ended: it was signed out or ended elsewhere, or it lapsed. Sign in again.";

const client = new Client();
const events = new LiveEvents(client);
const banners = new Banners(() => events.connectNow());
const mesh = new MeshView();
const chat = new ChatView(client);
const sessions = new SessionsView(client, signOut);
let user = null;

// MARK: Which view

function route() {
  if (user === null) return;
  const [wanted, name] = location.hash.slice(1).split("/");
  const view = VIEWS.includes(wanted) ? wanted : "mesh";
  show(view);
  for (const link of document.querySelectorAll("nav a")) {
    setAttribute(link, "aria-current", link.dataset.view === view ? "page" : null);
  }
  chat.isShown = view === "chat";
  sessions.isShown = view === "sessions";
  document.title = `${view[0].toUpperCase()}${view.slice(1)} · ${user.node} · MeshNode`;
  if (view !== "mesh" || !name) return;
  mesh.show(decodeURIComponent(name));
  // The same node may be asked for again, and only a change of the fragment is told.
  history.replaceState(null, "", "#mesh");
}

function show(view) {
  if (document.body.dataset.view !== view) window.scrollTo(0, 0);
  for (const section of $("main").children) section.hidden = section.id !== `view-${view}`;
  document.body.dataset.view = view;
}

// MARK: Who

function enter(me) {
  user = me;
  setText($("own-name"), me.node);
  setText($("user-name"), me.username);
  setText($("user-role"), me.role === me.username ? "" : me.role);
  $("top").hidden = false;
  sessions.setUser(me);
  banners.isSignedIn = true;
  events.start();
  route();
}

function askToSignIn(note) {
  user = null;
  events.stop();
  banners.isSignedIn = false;
  chat.clear();
  mesh.clear();
  $("top").hidden = true;
  document.title = "Sign in · MeshNode";
  tellSignIn("sign-in-note", note);
  tellSignIn("sign-in-error", "");
  show("sign-in");
  $("username").focus();
  warnOfMissingPrimary(note);
}

function tellSignIn(id, text) {
  $(id).hidden = text === "";
  setText($(id), text);
}

/** Better said before somebody types a password that cannot be checked. */
async function warnOfMissingPrimary(note) {
  const reply = await fetch("/health/ready", { cache: "no-store" }).catch(() => null);
  if (user !== null || note !== "" || reply?.status !== 503) return;
  tellSignIn("sign-in-note", NO_PRIMARY);
}

async function signIn(event) {
  event.preventDefault();
  const button = $("sign-in-button");
  button.disabled = true;
  tellSignIn("sign-in-error", "");
  try {
    await client.signIn($("username").value.trim(), $("password").value);
    $("password").value = "";
    enter(await client.json("/mesh/v1/auth/me"));
  } catch (failure) {
    const wait = failure.retryAfterSeconds > 1 && failure.status === 503 ? ` Try again in ${failure.retryAfterSeconds} s.` : "";
    tellSignIn("sign-in-error", `${failure.title ? `${failure.title}. ` : ""}${failure.message}${wait}`);
    if (failure.status === 401) $("password").select();
  } finally {
    button.disabled = false;
  }
}

async function signOut() {
  $("sign-out").disabled = true;
  try {
    await client.signOut();
    askToSignIn("You are signed out, on every node that can be reached.");
  } catch (failure) {
    if (failure.status !== 401) window.alert(`Not signed out. ${failure.message}`);
  } finally {
    $("sign-out").disabled = false;
  }
}

/** Picks up where this browser left off; a node that cannot say waits to be asked again. */
async function resume() {
  if (!client.hasSecret) return askToSignIn("");
  try {
    enter(await client.json("/mesh/v1/auth/me"));
  } catch (failure) {
    if (failure.status === 401) return;
    setText($("view-loading").firstElementChild, `${failure.message} Trying again …`);
    setTimeout(resume, STARTUP_RETRY_MS);
  }
}

// MARK: What happens

events.addEventListener("status", ({ detail: status }) => {
  // Nobody moves on the page because the nodes happen to be listed in another order.
  status.members.sort((a, b) => (a.name < b.name ? -1 : 1));
  banners.status = status;
  mesh.update(status);
  chat.update(status);
  sessions.update(status);
});
events.addEventListener("route", ({ detail }) => mesh.addPrompt(detail));
events.addEventListener("connection", ({ detail }) => (banners.connection = detail));
client.addEventListener("signed-out", () => askToSignIn(SESSION_ENDED));
window.addEventListener("hashchange", route);
$("sign-in-form").addEventListener("submit", signIn);
$("sign-out").addEventListener("click", signOut);

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();  // fragments choose views here
  $("main").focus();
});

resume();
