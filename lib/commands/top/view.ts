import type { KnownCall } from "../../admin/known_state.ts";
import type { ServerStatus, SessionStatus } from "../../admin/status_rows.ts";
import { breakLine } from "./paint.ts";
import type { TopState } from "./top_state.ts";

/** The lists below the matrix. */
export const PANES = ["calls", "windows", "faults", "log"] as const;
type Pane = (typeof PANES)[number];

/** Something that is asked of the daemon once the user has agreed. */
export interface Order {
  /** What the user is asked: "restart files? 2 calls in flight end first". */
  question: string;
  path: string;
  /** Said while it is done, and when it is: "restarting files", "restarted files". */
  doing: string;
  done: string;
}

/** A text over the whole screen: help, or one thing in full. */
interface Page {
  title: string;
  lines: readonly string[];
  top: number;
}

/** What the user looks at. What is selected is known by its key, and so stays when rows move. */
export interface View {
  focus: "matrix" | "pane";
  pane: Pane;
  /** Key of the selected server. */
  server?: string;
  /** Id of the selected session. */
  window?: string;
  /** Id of the selected call; undefined: the latest. */
  call?: string;
  filter: string;
  isTyping: boolean;
  order?: Order;
  page?: Page;
  message?: string;
  /** First row shown of the faults, or how many lines of the log are below. */
  scrolled: number;
  /** Columns of the terminal. */
  columns: number;
}

/** More lines than anybody reads. */
const MAX_PAGE_LINES = 5000;

/**
 * A page of `lines`, each broken where it is wider than the terminal. Only as many as there is room for are broken, as
 * keys wait meanwhile: the first, or the last of a page that is read from its end.
 */
export function pageOf(
  { columns }: Pick<View, "columns">,
  title: string,
  lines: readonly string[],
  from: "start" | "end" = "start",
): Page {
  const parts: string[][] = [];
  let room = MAX_PAGE_LINES;
  for (const line of from === "start" ? lines : lines.toReversed()) {
    if (room <= 0) break;
    const broken = breakLine(line, columns, room);
    room -= broken.length;
    parts.push(broken);
  }
  const all = (from === "start" ? parts : parts.reverse()).flat();
  return { title, lines: all, top: from === "start" ? 0 : all.length };
}

export function newView(): View {
  return { focus: "matrix", pane: "calls", filter: "", isTyping: false, scrolled: 0, columns: 80 };
}

/** A row of the matrix with its key. */
export type ServerRow = readonly [key: string, row: ServerStatus];

/** What is shown, as filtered and in order. */
export interface Shown {
  servers: ServerRow[];
  windows: SessionStatus[];
  calls: KnownCall[];
}

/**
 * What the filter leaves: servers and windows that match, with those they serve or are served by; calls that match.
 */
export function shownOf(watched: TopState, { filter }: Pick<View, "filter">): Shown {
  const servers = [...watched.servers].sort(([a], [b]) => a < b ? -1 : 1);
  const windows = [...watched.sessions.values()].sort((a, b) =>
    watched.numberOf(a.session) - watched.numberOf(b.session)
  );
  const { calls } = watched;
  if (filter === "") return { servers, windows, calls };
  const wanted = filter.toLowerCase();
  const has = (...texts: unknown[]) =>
    texts.some((text) => text !== undefined && String(text).toLowerCase().includes(wanted));
  const isServer = ([key, { state, cause, account, why }]: ServerRow) => has(key, state, cause, account, why);
  const isWindow = ({ session, client, window, cwd }: SessionStatus) => has(session, client, window, cwd);
  const foundServers = servers.filter(isServer);
  const found = new Set(windows.filter(isWindow).map(({ session }) => session));
  const served = new Set(foundServers.flatMap(([, { sessions }]) => sessions));
  return {
    servers: servers.filter((row) => isServer(row) || row[1].sessions.some((id) => found.has(id))),
    windows: windows.filter(({ session }) => found.has(session) || served.has(session)),
    calls: calls.filter(({ row }) =>
      has(row.id, row.server, row.tool, row.outcome, row.client, row.session, row.waits_for)
    ),
  };
}

/** What is selected, where it is still there; the first of each otherwise. */
export interface Selected {
  server?: ServerRow;
  window?: SessionStatus;
  call?: KnownCall;
}

export function selectedOf({ servers, windows, calls }: Shown, view: View): Selected {
  // A process that has started, or ended, has another key than its server.
  const [name] = view.server?.split("#") ?? [];
  const isSameServer = ([key]: ServerRow) => key.split("#")[0] === name;
  return {
    server: servers.find(([key]) => key === view.server) ?? servers.find(isSameServer) ?? servers[0],
    window: windows.find(({ session }) => session === view.window) ?? windows[0],
    call: calls.find(({ id }) => id === view.call) ?? calls[0],
  };
}

/** The running calls of each window at one server: which of its processes they are at is told by who shares it. */
export function callsAt(watched: TopState): (row: ServerStatus, session: string) => KnownCall[] {
  const byPair = Map.groupBy(
    watched.running,
    ({ row }) => `${row.session}\n${row.server}`,
  );
  return ({ server, sessions }, session) =>
    sessions.includes(session) ? byPair.get(`${session}\n${server}`) ?? [] : [];
}
