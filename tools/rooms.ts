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
    holds:
      "errors with stable codes, abort and time helpers, text and JSON helpers, log set-up; nothing of the domain",
    mayImport: [],
  },
  wire: {
    holds: "JSON-RPC, EXAI ops, MCP revisions, the one table of error codes",
    mayImport: ["base"],
  },
  config: {
    holds:
      "every setting, `exai.json`, `mcp.json`, `models.json`, paths; the only reader of the environment and of files of configuration",
    mayImport: ["base", "wire"],
    outsideWorld: true,
  },
  documents: {
    holds: "JSONC, TOML and YAML edited in place, and files replaced as a whole; nothing of what they mean",
    mayImport: ["base", "config"],
    outsideWorld: true,
  },
  transport: {
    holds: "stdio, WebSocket, HTTP and memory behind one contract",
    mayImport: ["base", "wire"],
    outsideWorld: true,
  },
  call: {
    holds: "the call (data and context), its result, target and policy; whose something is",
    mayImport: ["base", "wire"],
  },
  admission: {
    holds: "permits, the fair queue, breakers, time-outs, calls that outlast their request: policies",
    mayImport: ["base", "wire", "call", "round_trips"],
  },
  round_trips: {
    holds:
      "questions to clients that are asked by the answers to their requests: parked calls, sealed states",
    mayImport: ["base", "wire", "call"],
  },
  session: {
    holds: "one record for each attached client: identity, calls, resume",
    mayImport: ["base", "wire", "call", "transport", "round_trips"],
  },
  router: {
    holds: "names, the merged catalog, tool search, where a call leads",
    mayImport: ["base", "wire", "config", "call"],
  },
  process: {
    holds: "child processes of mounted servers: their trees, environment, memory, messages",
    mayImport: ["base", "wire", "config", "transport"],
    outsideWorld: true,
  },
  remote: {
    holds: "mounted servers behind a URL: Streamable HTTP and SSE as a client",
    mayImport: ["base", "wire", "config", "transport"],
    outsideWorld: true,
  },
  auth: {
    holds:
      "what servers and providers are signed in to with: OAuth as a client, accounts, secrets, helpers that print headers",
    mayImport: ["base", "wire", "config", "transport", "process", "remote"],
    outsideWorld: true,
  },
  upstream: {
    holds: "mounted servers: share key, leases, supervisor, what belongs to whose call",
    mayImport: ["base", "wire", "config", "transport", "call", "remote", "auth", "process"],
    outsideWorld: true,
  },
  adopt: {
    holds:
      "the configurations of other clients: finding, reading, importing, pointing them at EXAI, and back",
    mayImport: ["base", "config", "documents", "upstream"],
    outsideWorld: true,
  },
  observe: {
    holds: "metrics, health, the record of calls; the memory and the clock of the daemon",
    mayImport: ["base", "call"],
    outsideWorld: true,
  },
  tracing: {
    holds: "spans of calls by OpenTelemetry, and where they are sent; its packages are loaded late",
    mayImport: ["base", "wire", "config", "call", "observe"],
    outsideWorld: true,
  },
  state: {
    holds:
      "everything kept on disk: databases, threads, the journal, records, lists, locks, log and crash files",
    mayImport: [
      "base",
      "wire",
      "config",
      "transport",
      "call",
      "session",
      "router",
      "auth",
      "upstream",
      "observe",
    ],
    outsideWorld: true,
  },
  agent: {
    holds: "command lines of other agents: presets, how each is started, how its output is read",
    mayImport: ["base", "config", "process"],
  },
  provider: {
    holds: "models: dialects, catalogue, routing",
    mayImport: ["base"],
    outsideWorld: true,
  },
  workspace: {
    holds: "which files and which git repository a session may read",
    mayImport: ["base", "config", "call", "session"],
    outsideWorld: true,
  },
  tool: {
    holds: "the in-process tools and their registry",
    mayImport: ["base", "wire", "call", "agent", "provider", "state", "workspace"],
  },
  user_tools: {
    holds: "the tools a user has written, each in a worker",
    mayImport: ["base", "call", "config", "tool"],
    outsideWorld: true,
  },
  client: {
    holds: "finding the daemon, starting it, having it prove itself, speaking with it",
    mayImport: ["base", "wire", "config", "transport", "state"],
    outsideWorld: true,
  },
  shim: {
    holds: "the bridge between a client's stdio and the daemon, reconnect",
    mayImport: ["base", "wire", "config", "transport", "state", "client"],
    outsideWorld: true,
  },
  edge: {
    holds: "listeners, the request guard, connection limits, token and certificates",
    mayImport: ["base", "wire", "config", "transport", "call", "observe", "state"],
    outsideWorld: true,
  },
  admin: {
    holds:
      "the HTTP routes of the daemon: status, what is watched, metrics, calls, threads; actions on calls, sessions and servers",
    mayImport: [
      "base",
      "wire",
      "config",
      "call",
      "session",
      "provider",
      "upstream",
      "observe",
      "auth",
      "state",
      "edge",
    ],
    outsideWorld: true,
  },
  page: {
    holds: "what a browser shows of the daemon: its page, the program in it, and the routes that serve both",
    mayImport: ["base", "edge", "admin"],
    outsideWorld: true,
  },
  doctor: {
    holds: "what may be wrong with an installation: one check in a file, what mends it, one table of all",
    mayImport: [
      "base",
      "wire",
      "config",
      "transport",
      "process",
      "remote",
      "upstream",
      "auth",
      "state",
      "client",
      "edge",
      "adopt",
    ],
    outsideWorld: true,
  },
  replay: {
    holds: "recorded sessions, played back as a server on stdio",
    mayImport: [
      "base",
      "wire",
      "transport",
      "call",
      "round_trips",
      "session",
      "router",
      "observe",
      "admin",
    ],
    outsideWorld: true,
  },
  commands: {
    holds: "the commands of `exai-daemon`, one in a file, and one table of all",
    mayImport: [
      "base",
      "config",
      "documents",
      "adopt",
      "auth",
      "state",
      "client",
      "edge",
      "observe",
      "admin",
      "user_tools",
      "doctor",
      "replay",
    ],
    outsideWorld: true,
  },
  app: {
    holds: "the daemon and the shim put together",
    mayImport: [
      "base",
      "wire",
      "config",
      "documents",
      "transport",
      "call",
      "admission",
      "round_trips",
      "session",
      "router",
      "process",
      "remote",
      "upstream",
      "adopt",
      "observe",
      "tracing",
      "auth",
      "state",
      "agent",
      "provider",
      "workspace",
      "tool",
      "user_tools",
      "client",
      "shim",
      "edge",
      "admin",
      "page",
      "doctor",
      "replay",
      "commands",
    ],
    outsideWorld: true,
  },
};

/** All rooms `shim.ts` may load: a shim starts for each window. */
export const SHIM_ROOMS: readonly string[] = [
  "base",
  "wire",
  "config",
  "transport",
  "state",
  "client",
  "shim",
  "app",
];

/** The one file that compares principals, workspaces and sessions: it decides ownership and visibility. */
export const OWNERSHIP = "lib/call/owner.ts";

/** Files that still compare sessions by themselves. */
export const COMPARES_SESSIONS: readonly string[] = ["lib/upstream/instance/attribution.ts"];

/** Types of the parameter that says who asks, in methods that keep or show data of a session. */
export const ASKERS: readonly string[] = ["Viewer", "Identity", "Whereabouts", "Caller", "Call"];

/** Classes that keep data of many sessions, and their methods that need no asker because they show nothing. */
export const KEEPERS: Readonly<Record<string, { in: string; except: readonly string[] }>> = {
  ThreadStore: { in: "lib/state/thread_store.ts", except: ["deleteExpired"] },
  ThreadRows: { in: "lib/state/threads/thread_rows.ts", except: ["deleteExpired"] },
  OwnThreads: { in: "lib/tool/own_threads.ts", except: ["record", "show", "list", "enter", "condense"] },
  ToolHost: {
    in: "lib/tool/host.ts",
    except: ["health", "providers", "ensureProvidersFresh", "refreshProviders"],
  },
  RecentActivity: { in: "lib/observe/recent_activity.ts", except: ["record", "recordError", "errorsSince"] },
  DetachedCalls: { in: "lib/admission/detached_calls.ts", except: ["idle"] },
  TaskRoutes: { in: "lib/router/tasks.ts", except: [] },
  HandleTable: { in: "lib/upstream/tasks/handle_table.ts", except: ["setEnded", "get", "has", "addAll"] },
  TaskProgress: { in: "lib/upstream/tasks/handle_table.ts", except: ["set", "get"] },
  UnfetchedTasks: {
    in: "lib/upstream/tasks/unfetched_tasks.ts",
    except: ["answered", "setStatus", "clear", "takeInterrupted", "allFetched", "remainingMs"],
  },
  TaskAliases: {
    in: "lib/upstream/tasks/task_aliases.ts",
    except: ["clientName", "serverName", "toClient", "toServer", "resultToClient"],
  },
  WithdrawnTaskRequests: {
    in: "lib/upstream/tasks/withdrawn_requests.ts",
    except: ["has", "take", "clear"],
  },
  OrphanedHandles: { in: "lib/upstream/tasks/orphaned_handles.ts", except: ["add"] },
  ElicitationAliases: { in: "lib/upstream/tasks/elicitation_aliases.ts", except: [] },
  Subscriptions: { in: "lib/upstream/instance/subscriptions.ts", except: ["subscribersOf", "lost"] },
  ListMemory: {
    in: "lib/upstream/lists/list_memory.ts",
    except: [
      "forgetAccount",
      "viewAt",
      "learn",
      "changed",
      "lists",
      "usedCapabilities",
      "addUsedCapabilities",
      "isUnverified",
      "isForeign",
      "verified",
    ],
  },
  Attribution: {
    in: "lib/upstream/instance/attribution.ts",
    except: ["addressee", "candidates", "quietInMs", "runningCalls"],
  },
};

/**
 * Names that give access to data of every session, and the rooms that may use them. No room that answers a client is
 * among them.
 * `OPERATOR` is the viewer that sees all; `CallStore` and `CallControl` are the record of all calls.
 */
export const SEES_ALL: Readonly<Record<string, readonly string[]>> = {
  OPERATOR: ["call", "state", "observe", "admin", "commands"],
  CallStore: ["observe", "state", "admin", "commands", "app"],
  CallControl: ["admin", "app", "commands"],
};

/** What tells one era of MCP from the other: the name of a variable or member that is compared, or a function that is named. */
export const TELLS_ERAS = {
  compared: "era",
  named: ["isModern", "errorForEra", "thrownForEra", "hasMethod"],
} as const;

/** The files that may, by the beginning of their paths, and why. Everything between them speaks the neutral model. */
export const ERA_READERS: Readonly<Record<string, string>> = {
  "lib/wire/": "the codecs",
  "lib/round_trips/": "the bridge between questions that are pushed and those that are answers",
  "lib/upstream/instance/link/": "the links to servers of either era",
  "lib/upstream/era_memory.ts": "what was found of a server's era, and until when it is good",
  "lib/state/saved_lists.ts": "the same on disk: a text is read as an era",
  "lib/config/servers/entry.ts": "the same by configuration",
  "lib/session/mcp_peer.ts": "the door of shims and WebSockets: each message is of the era that it says",
  "lib/session/modern_": "the part of the doors that is of the modern era",
  "lib/replay/recorded_target.ts": "plays what was recorded of one era to clients of either",
  "lib/edge/mcp_endpoint.ts": "the HTTP door",
  "lib/edge/error_response.ts": "the errors that the HTTP door makes itself",
  "lib/edge/modern_": "the part of the HTTP door that is of the modern era",
};

/** Folders with one file per entry of a table, commands and tools, however short. */
export const ONE_FILE_PER_ENTRY: readonly string[] = [
  "lib/adopt/clients/",
  "lib/commands/",
  "lib/tool/builtin/",
];

/** Other files of `lib/` under 20 lines, and why each is a file of its own rather than part of a neighbour. */
export const THIN_FILES: Readonly<Record<string, string>> = {
  "lib/auth/secret_store.ts": "a port: who fills in secrets need not know the vault",
  "lib/auth/system_keychain.ts": "the one place that knows which keychain a system has",
  "lib/call/schema_compiler.ts": "what is loaded late, in place of a package of CommonJS",
  "lib/process/system_trees.ts": "what starts servers and what starts agents choose alike",
  "lib/config/path_kind.ts": "what every room asks of a path, in one meaning each",
  "lib/config/entry_shapes.ts": "the door through which `adopt` reads entries by the rules of `mcp.json`",
};
