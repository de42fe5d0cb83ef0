import { counted } from "../../base/text.ts";
import type { JsonObject } from "../../base/json.ts";
import type { ServerStatus } from "../../admin/status_rows.ts";
import { visible } from "../../base/visible.ts";
import { cutToWidth } from "../table.ts";
import { CELLS, nameOf } from "./matrix.ts";
import { faultLines } from "./panes.ts";
import {
  type Order,
  pageOf,
  PANES,
  type Selected,
  selectedOf,
  type Shown,
  shownOf,
  type View,
} from "./view.ts";
import type { TopState } from "./top_state.ts";

/** A key as `node:readline` names it. */
export interface KeyPress {
  name?: string;
  sequence: string;
  ctrl: boolean;
}

/** What a key asks for beyond what it changes in the view. */
export type Effect =
  | { do: "quit" | "suspend" | "redraw" }
  | { do: "order"; order: Order }
  /** Follow the log of a server, or of the daemon. */
  | { do: "log"; name: string }
  /** Show a call in full. */
  | { do: "show call"; id: string };

/** How much of a name a question holds: the one that is meant is marked besides. */
const MAX_NAME_COLUMNS = 35;

/** How far a key of pages goes. */
const PAGE = 10;

const STEPS: ReadonlyMap<string, number> = new Map([
  ["up", -1],
  ["k", -1],
  ["down", 1],
  ["j", 1],
  ["pageup", -PAGE],
  ["pagedown", PAGE],
  ["home", -Infinity],
  ["end", Infinity],
]);

const SIDEWAYS: ReadonlyMap<string, number> = new Map([["left", -1], ["h", -1], ["right", 1]]);

/** Changes `view` as `key` says; what is to be done besides. */
export function press(key: KeyPress, view: View, watched: TopState): Effect | undefined {
  const name = key.name ?? key.sequence;
  if (key.ctrl && name === "c") return { do: "quit" };
  if (key.ctrl && name === "z") return { do: "suspend" };
  if (key.ctrl && name === "l") return { do: "redraw" };
  if (key.ctrl) return undefined;
  view.message = undefined;
  if (view.order) return answer(key, view, view.order);
  if (view.page) return turn(name, view, view.page);
  if (view.isTyping) return type(key, view);
  const shown = shownOf(watched, view);
  const selected = selectedOf(shown, view);
  const step = STEPS.get(name);
  if (step !== undefined) return move(step, view, { shown, selected });
  const sideways = SIDEWAYS.get(name);
  if (sideways !== undefined) return moveAside(sideways, view, { shown, selected });
  return command(key, view, { selected, watched });
}

/** Only `y` agrees: a key that was meant for something else does nothing. */
function answer({ sequence }: KeyPress, view: View, order: Order): Effect | undefined {
  view.order = undefined;
  if (sequence === "y" || sequence === "Y") {
    view.message = order.doing;
    return { do: "order", order };
  }
  view.message = "nothing was done";
  return undefined;
}

function turn(name: string, view: View, page: NonNullable<View["page"]>): undefined {
  const step = STEPS.get(name) ?? (name === "space" ? PAGE : undefined);
  if (step === undefined) view.page = undefined;
  else page.top = Math.max(0, Math.min(page.lines.length - 1, page.top + step));
}

function type({ name, sequence }: KeyPress, view: View): undefined {
  if (name === "return" || name === "enter") view.isTyping = false;
  else if (name === "escape") [view.isTyping, view.filter] = [false, ""];
  else if (name === "backspace") view.filter = Array.from(view.filter).slice(0, -1).join("");
  // Keys with a meaning of their own, as arrows, begin with a control.
  else if (/^[^\p{Cc}]+$/u.test(sequence)) view.filter += sequence;
}

interface Shows {
  shown: Shown;
  selected: Selected;
}

function move(step: number, view: View, { shown, selected }: Shows): undefined {
  if (view.focus === "matrix") {
    view.server = neighbour(shown.servers, selected.server, step)?.[0];
  } else if (view.pane === "calls") {
    view.call = neighbour(shown.calls, selected.call, step)?.id;
  } else if (view.pane === "windows") {
    view.window = neighbour(shown.windows, selected.window, step)?.session;
  } else {
    // A log is read from its end.
    const down = view.pane === "log" ? -step : step;
    view.scrolled = Math.min(Math.max(0, view.scrolled + down), Number.MAX_SAFE_INTEGER);
  }
}

function moveAside(step: number, view: View, { shown, selected }: Shows): undefined {
  view.window = neighbour(shown.windows, selected.window, step)?.session;
}

function neighbour<T>(all: readonly T[], from: T | undefined, step: number): T | undefined {
  const at = from === undefined ? 0 : all.indexOf(from);
  return all[Math.max(0, Math.min(all.length - 1, at + step))];
}

function command(
  key: KeyPress,
  view: View,
  { selected, watched }: { selected: Selected; watched: TopState },
): Effect | undefined {
  const name = key.name ?? key.sequence;
  const pane = PANES.find((_, i) => String(i + 1) === key.sequence);
  if (pane !== undefined) return void showPane(view, pane);
  switch (key.sequence) {
    case "q":
      return { do: "quit" };
    case "?":
      view.page = pageOf(view, "exai-daemon top: keys", HELP);
      return undefined;
    case "/":
      view.isTyping = true;
      return undefined;
    case "l":
      return selected.server && logOf(selected.server[1].server, view);
    case "d":
      return logOf("daemon", view);
  }
  if (name === "escape") view.filter = "";
  else if (name === "tab") view.focus = view.focus === "matrix" ? "pane" : "matrix";
  else if (name === "return" || name === "enter") return open(view, selected, watched);
  else ask(key.sequence, view, { selected, watched });
  return undefined;
}

function showPane(view: View, pane: View["pane"]): void {
  view.pane = pane;
  view.focus = "pane";
  view.scrolled = 0;
}

function logOf(name: string, view: View): Effect {
  showPane(view, "log");
  return { do: "log", name };
}

/** Shows the selected thing, or the list, in full. */
function open(view: View, { server, window, call }: Selected, watched: TopState): Effect | undefined {
  const list = view.focus === "matrix" ? undefined : view.pane;
  if (list === "calls") return call && { do: "show call", id: call.id };
  if (list === "faults") view.page = pageOf(view, "faults and notes", faultLines(watched));
  else if (list === "log") {
    view.page = pageOf(view, `log of ${watched.log?.name ?? "nothing"}`, watched.log?.lines ?? [], "end");
  } else if (list === "windows") {
    if (window) view.page = pageOf(view, `session ${window.session}`, linesOf(window));
  } else if (server) view.page = pageOf(view, `server ${server[0]}`, linesOf(server[1]));
  return undefined;
}

/** The members of `facts`, a line each. */
export function linesOf(facts: JsonObject): string[] {
  return Object.entries(facts).flatMap(([name, value]) => {
    if (value === undefined || value === null) return [];
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return text.split("\n").map((line, i) => `${(i === 0 ? name : "").padEnd(16)} ${line}`);
  });
}

/** Asks the user before something is lost. */
function ask(
  key: string,
  view: View,
  { selected, watched }: { selected: Selected; watched: TopState },
): void {
  const order = orderOf(key, view, { selected, watched });
  if (typeof order === "string") view.message = order;
  else if (order) view.order = order;
}

/** What is to be asked of the daemon; a sentence where there is nothing to do it with. */
function orderOf(
  key: string,
  view: View,
  { selected: { server, window, call }, watched }: { selected: Selected; watched: TopState },
): Order | string | undefined {
  const verb = VERBS.get(key);
  if (verb) return server === undefined ? `no server to ${verb.what}` : serverOrder(verb, server[1]);
  if (key === "x") {
    if (window === undefined) return "no window to end the session of";
    const who = `window ${watched.numberOf(window.session)} (${short(window.client ?? "unknown client")})`;
    return {
      question: `end the session of ${who}? ${counted(window.inflight, "call")} cancelled`,
      path: `/kill?${new URLSearchParams({ what: "session", id: window.session })}`,
      doing: `ending the session of ${who}`,
      done: `ended the session of ${who}`,
    };
  }
  if (key !== "c") return undefined;
  if (view.focus !== "pane" || view.pane !== "calls") {
    return "1 shows the calls; select one there to cancel it";
  }
  if (call === undefined || !call.isRunning) return "the selected call has ended";
  const name = `${short(call.id)} (${short(`${call.row.server ?? "exai"} ${call.row.tool ?? ""}`)})`;
  return {
    question: `cancel ${name}?`,
    path: `/cancel?${new URLSearchParams({ id: call.id })}`,
    doing: `cancelling ${name}`,
    done: `cancelled ${name}`,
  };
}

/** A name within a question: it may be as long as its owner likes, and the rest of the question is to be seen. */
const short = (name: string) => cutToWidth(visible(name), MAX_NAME_COLUMNS);

/** What is done to a server, by its key. */
interface Verb {
  what: "restart" | "park" | "stop";
  doing: string;
  done: string;
  /** What then happens to it. */
  consequence: string;
}

const VERBS: ReadonlyMap<string, Verb> = new Map([
  ["r", {
    what: "restart",
    doing: "restarting",
    done: "restarted",
    consequence: "its calls end first, then it starts anew",
  }],
  ["p", {
    what: "park",
    doing: "parking",
    done: "parked",
    consequence: "it ends once idle, and starts with the next call",
  }],
  ["s", { what: "stop", doing: "stopping", done: "stopped", consequence: "its calls fail now" }],
]);

function serverOrder({ what, doing, done, consequence }: Verb, row: ServerStatus): Order {
  const query = new URLSearchParams({ name: row.server });
  if (row.share_key !== undefined) query.set("key", row.share_key);
  const name = short(nameOf(row));
  const running = row.inflight + row.queued;
  const shared = `${counted(running, "call")}, ${counted(row.sessions.length, "window")}`;
  return {
    question: `${what} ${name} (${shared})? ${consequence}`,
    path: `/servers/${what}?${query}`,
    doing: `${doing} ${name}`,
    done: `${done} ${name}`,
  };
}

const HELP: readonly string[] = [
  "arrows, j k h   select a server and a window, a call, a line",
  "Tab             from the matrix to the list below it, and back",
  "1 2 3 4         list of calls, windows, faults, log",
  "Enter           the selected thing in full",
  "/               show only what holds a text; Esc ends it",
  "l  d            log of the selected server, of the daemon",
  "r               restart the selected server",
  "p               park it: it ends once idle, the next call starts it",
  "s               stop it now",
  "c               cancel the selected call",
  "x               end the session of the selected window",
  "Ctrl+L          draw all again",
  "q, Ctrl+C       end",
  "",
  "What is lost is asked about first.",
  "",
  "A row is a process of a server, a column a window:",
  ...CELLS,
];
