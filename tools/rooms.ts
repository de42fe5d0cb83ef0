/** One folder of `lib/`, as docs/architecture.md lists it and tests/layering_test.ts enforces it. */
export interface Room {
  holds: string;
  /** The rooms whose files it may import. */
  mayImport: readonly string[];
  /** Whether it may touch the outside world: `Deno`, `node:` modules, `fetch`, `WebSocket`. */
  outsideWorld?: boolean;
}

/** The rooms of `lib/`, lowest first. */
export const ROOMS: Readonly<Record<string, Room>> = {
  base: {
    holds: "errors with stable codes, abort and deadline helpers, units, log set-up",
    mayImport: [],
  },
  file: {
    holds: "locks that the system gives back when their holder ends",
    mayImport: [],
    outsideWorld: true,
  },
  config: {
    holds: "every setting; the only reader of environment, files and flags for them; per-system paths",
    mayImport: ["base"],
    outsideWorld: true,
  },
  wire: {
    holds: "EXAI ops, JSON-RPC, MCP revisions, the one table of error codes",
    mayImport: ["base"],
  },
  transport: {
    holds: "stdio, WebSocket, HTTP and memory behind one contract",
    mayImport: ["base", "wire"],
    outsideWorld: true,
  },
  sqlite: {
    holds: "opening, migrating and asking private SQLite databases",
    mayImport: ["base"],
    outsideWorld: true,
  },
  call: {
    holds: "`Call`, `Result`, `Target`, `Policy`",
    mayImport: ["base", "wire"],
  },
  session: {
    holds: "one record for each attached client, their registry, resume",
    mayImport: ["base", "wire", "call", "transport"],
  },
  admission: {
    holds: "permits, the fair queue, breakers, as policies",
    mayImport: ["base", "call"],
  },
  router: {
    holds: "method dispatch and the merged catalog",
    mayImport: ["base", "wire", "call"],
  },
  upstream: {
    holds: "mounted MCP servers: processes and URLs, share key, lease, supervisor",
    mayImport: ["base", "wire", "call", "transport"],
    outsideWorld: true,
  },
  tool: {
    holds: "the in-process tools, one in a file, and their registry",
    mayImport: ["base", "wire", "call", "provider", "conversation"],
  },
  provider: {
    holds: "LLM providers, model catalogue, routing",
    mayImport: ["base"],
    outsideWorld: true,
  },
  conversation: {
    holds: "threads and workflow state on SQLite",
    mayImport: ["base", "sqlite", "call"],
    outsideWorld: true,
  },
  detach: {
    holds: "calls that outlast their request, and the tool that waits for them",
    mayImport: ["base", "wire", "call"],
  },
  observe: {
    holds: "metrics, health, the record of calls",
    mayImport: ["base", "call"],
  },
  store: {
    holds:
      "SQLite behind the narrow interfaces of other rooms: the journal of answers, the record of calls, servers' last lists",
    mayImport: ["base", "wire", "call", "sqlite", "session", "upstream", "observe"],
    outsideWorld: true,
  },
  edge: {
    holds: "listening, upgrade, the guard (Host, Origin, token), HTTP routes",
    mayImport: ["base", "file", "wire", "call", "transport", "observe"],
    outsideWorld: true,
  },
  shim: {
    holds: "the bridge, reconnect, daemon autostart",
    mayImport: ["base", "file", "config", "wire", "transport"],
    outsideWorld: true,
  },
  cli: {
    holds: "the commands of both programs, composed from the other rooms",
    mayImport: [
      "base",
      "file",
      "config",
      "wire",
      "transport",
      "sqlite",
      "call",
      "session",
      "admission",
      "router",
      "upstream",
      "tool",
      "provider",
      "conversation",
      "detach",
      "observe",
      "store",
      "edge",
      "shim",
    ],
    outsideWorld: true,
  },
};

/** The rooms `shim.ts` may load, all told: it is started once for each window. */
export const SHIM_ROOMS: readonly string[] = ["base", "file", "config", "wire", "transport", "shim", "cli"];

/** The one file that compares principals, workspaces and sessions: whose something is, and who may see it. */
export const OWNERSHIP = "lib/call/owner.ts";

/** Files that still compare sessions by themselves. */
export const COMPARES_SESSIONS: readonly string[] = ["lib/upstream/attribution.ts"];

/** Who asks, as a parameter of a method that keeps or shows something for somebody. */
export const ASKERS: readonly string[] = ["Viewer", "Identity", "Whereabouts", "Caller", "Call"];

/** Where things of many sessions are kept, and the methods that need not say for whom since they show nothing. */
export const KEEPERS: Readonly<Record<string, { in: string; except: readonly string[] }>> = {
  ThreadStore: { in: "lib/conversation/thread_store.ts", except: ["deleteExpired"] },
  OwnThreads: { in: "lib/tool/own_threads.ts", except: ["record", "show", "list"] },
  ToolHost: {
    in: "lib/tool/host.ts",
    except: ["health", "providers", "providersListed", "refreshProviders"],
  },
  Recorder: { in: "lib/observe/recorder.ts", except: ["record", "noteError", "errorsSince"] },
  DetachedCalls: { in: "lib/detach/detached_calls.ts", except: ["idle"] },
  TaskRoutes: { in: "lib/router/tasks.ts", except: [] },
  Owners: { in: "lib/upstream/owners.ts", except: ["setOver", "get", "has", "takeOver"] },
  TaskProgress: { in: "lib/upstream/owners.ts", except: ["set", "get"] },
  LiveTasks: {
    in: "lib/upstream/live_tasks.ts",
    except: ["answered", "hasStatus", "clear", "takeCut", "over", "remainingMs"],
  },
  TaskNames: {
    in: "lib/upstream/task_names.ts",
    except: ["nameOf", "ownOf", "outward", "inward", "shownResult"],
  },
  LateTasks: { in: "lib/upstream/late_tasks.ts", except: ["has", "take", "end"] },
  LostTasks: { in: "lib/upstream/lost_tasks.ts", except: ["add"] },
  ElicitationNames: { in: "lib/upstream/elicitation_names.ts", except: [] },
  Subscriptions: { in: "lib/upstream/subscriptions.ts", except: ["subscribersOf"] },
  ListMemory: {
    in: "lib/upstream/list_memory.ts",
    except: ["viewAt", "learn", "changed", "lists", "askedBy", "asked"],
  },
  Attribution: {
    in: "lib/upstream/attribution.ts",
    except: ["addressee", "suspects", "quietInMs", "running"],
  },
};

/**
 * What shows everything, whosever it is, and the rooms that may name it: no room that answers a window is among them.
 * `OPERATOR` is the viewer that sees all; `CallStore` and `CallDesk` are the record of all calls.
 */
export const SEES_ALL: Readonly<Record<string, readonly string[]>> = {
  OPERATOR: ["call", "conversation", "observe", "cli"],
  CallStore: ["observe", "store", "cli"],
  CallDesk: ["cli"],
};
