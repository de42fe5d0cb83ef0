import { h, render } from "preact";
import type { JsonObject } from "../../base/json.ts";
import { App } from "./app.ts";
import { Boundary } from "./boundary.ts";
import { keepFocus } from "./focus.ts";
import { fetchSignedIn, request, whenSignedOut } from "./requests.ts";
import { hasCode, signInByAddress } from "./session.ts";
import { PageState } from "./page_state.ts";
import { WatchClient, type WatchLink } from "./watch_client.ts";

/** How often ages and durations are drawn anew when nothing happens. */
const REDRAW_MS = 1000;
/** A page that nobody has looked at for this long stops to ask. */
const UNSEEN_MS = 60_000;
/** Calls that are read when a stream begins. */
const FIRST_CALLS = "200";

const root = document.getElementById("app")!;
const state = new PageState(() => performance.now());
let link: WatchLink = { is: "connecting" };
let isDrawn = true;
/** Why the code in the address was of no use. */
let refusal: string | undefined;

const client = new WatchClient({
  fetch: fetchSignedIn,
  wait,
  onEvent(event) {
    // Another version has another page: this program may not know its lines.
    if (event.type === "hello" && (state.hello?.version ?? event.version) !== event.version) {
      return location.reload();
    }
    state.take(event);
    if (event.type === "hello") {
      refusal = undefined;
      void readCalls();
    }
    draw();
  },
  onLink(next) {
    // While it is tried again, the reason stays readable.
    if (next.is !== "connecting" || link.is !== "lost") link = next;
    if (link.is === "signed out") link = { ...link, why: refusal ?? link.why };
    draw();
  },
});

/** Calls that ended before the page was opened, or while it was cut off. */
async function readCalls(): Promise<void> {
  const outcome = await request("GET", "/calls", { query: { limit: FIRST_CALLS } });
  state.pastWhy = outcome.is === "failed" ? outcome.why : undefined;
  if (outcome.is === "done") state.takePast(outcome.answer.calls as JsonObject[]);
  draw();
}

/** At most once for each picture of the screen. */
function draw(): void {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    const app = h(App, { state, link, retry: () => client.retry(), setLog });
    render(h(Boundary, { name: "The page", version: state.version }, app), root);
  });
}

async function openAgain(): Promise<void> {
  if (!hasCode()) return;
  refusal = await signInByAddress();
  client.retry();
}

function setLog(name: string | undefined): void {
  if (state.log?.name === name) return;
  state.watchLog(name);
  client.setLog(name);
  draw();
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

let unseen: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) unseen = setTimeout(() => client.pause(true), UNSEEN_MS);
  else client.pause(false);
});
addEventListener("online", () => client.retry());
// The address of exai-daemon page may be opened where the page is open already.
addEventListener("hashchange", () => void openAgain());
// A wrong token in the form is said there.
whenSignedOut((why) => link.is !== "signed out" && client.signOut(why));
keepFocus(root);
setInterval(draw, REDRAW_MS);
draw();
if (hasCode()) refusal = await signInByAddress();
void client.run(new AbortController().signal);
