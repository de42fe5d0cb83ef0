import type { Era } from "./client_claim.ts";

/** What one era has for what another has under a method. */
interface MethodRow {
  /** Who sends it. */
  from: "client" | "server" | "both";
  kind: "request" | "notification";
  /** The eras that have it. */
  eras: readonly Era[];
  /** How a modern client's is answered from a legacy server; or what a modern client has in its place. */
  modernClient: string;
  /** How a legacy client's is answered from a modern server; or what a legacy client has in its place. */
  legacyClient: string;
  /** Its complete results say how long they may be kept, and by whom (MCP server/utilities/caching). */
  isCacheable?: true;
  /** It may be answered with `input_required` (MCP basic/patterns/mrtr, supported requests). */
  mayAsk?: true;
}

const BOTH: readonly Era[] = ["legacy", "modern"];
const LEGACY: readonly Era[] = ["legacy"];
const MODERN: readonly Era[] = ["modern"];

const LIST = {
  from: "client",
  kind: "request",
  eras: BOTH,
  isCacheable: true,
  modernClient: "as it is; `ttlMs` 0 and `cacheScope` `private` where the server gives none",
  legacyClient: "as it is, without `ttlMs` and `cacheScope`",
} as const;

const LIST_CHANGE = {
  from: "server",
  kind: "notification",
  eras: BOTH,
  modernClient: "on each `subscriptions/listen` that asks for it",
  legacyClient: "from the listen of the daemon; sent to every window",
} as const;

const REFUSED = "refused (-32601)";

/** The methods of both eras (MCP 2025-11-25 and 2026-07-28, schema), and what becomes of each in the other. */
export const METHODS: Readonly<Record<string, MethodRow>> = {
  "initialize": {
    from: "client",
    kind: "request",
    eras: LEGACY,
    modernClient: `${REFUSED}; \`server/discover\` says the same`,
    legacyClient: "answered by the daemon, with what the server says to `server/discover`",
  },
  "ping": {
    from: "both",
    kind: "request",
    eras: LEGACY,
    modernClient: REFUSED,
    legacyClient: "answered by the daemon; servers are never sent one for it",
  },
  "server/discover": {
    from: "client",
    kind: "request",
    eras: MODERN,
    modernClient: "answered with what `initialize` is answered with; of revisions, those of 2026 alone",
    legacyClient: REFUSED,
    isCacheable: true,
  },
  "tools/list": {
    ...LIST,
    modernClient: `${LIST.modernClient}; tools without \`execution\``,
    legacyClient: `${LIST.legacyClient}; an \`outputSchema\` of no object is made one of an object`,
  },
  "tools/call": {
    from: "client",
    kind: "request",
    eras: BOTH,
    mayAsk: true,
    modernClient: "as it is, without `task`; the server's questions become `input_required`",
    legacyClient:
      "as it is; `input_required` becomes requests of the server; `structuredContent` that is no object is put into `result` of one",
  },
  "prompts/list": LIST,
  "prompts/get": {
    from: "client",
    kind: "request",
    eras: BOTH,
    mayAsk: true,
    modernClient: "as it is; the server's questions become `input_required`",
    legacyClient: "as it is; `input_required` becomes requests of the server",
  },
  "resources/list": LIST,
  "resources/templates/list": LIST,
  "resources/read": {
    from: "client",
    kind: "request",
    eras: BOTH,
    isCacheable: true,
    mayAsk: true,
    modernClient: "as it is, with `ttlMs` and `cacheScope`; the server's questions become `input_required`",
    legacyClient:
      "as it is, without `ttlMs` and `cacheScope`; `input_required` becomes requests of the server",
  },
  "completion/complete": {
    from: "client",
    kind: "request",
    eras: BOTH,
    modernClient: "as it is",
    legacyClient: "as it is",
  },
  "logging/setLevel": {
    from: "client",
    kind: "request",
    eras: LEGACY,
    modernClient: `${REFUSED}; each request has its level in \`_meta\`, none without one`,
    legacyClient: "kept by the daemon, and written into `_meta` of each request",
  },
  "resources/subscribe": {
    from: "client",
    kind: "request",
    eras: LEGACY,
    modernClient: `${REFUSED}; \`resourceSubscriptions\` of a listen become subscriptions, counted`,
    legacyClient: "added to the listen of the daemon",
  },
  "resources/unsubscribe": {
    from: "client",
    kind: "request",
    eras: LEGACY,
    modernClient: `${REFUSED}; the end of a listen is the end of its subscriptions`,
    legacyClient: "taken out of the listen of the daemon",
  },
  "subscriptions/listen": {
    from: "client",
    kind: "request",
    eras: MODERN,
    modernClient: "answered by the daemon: see `resources/subscribe` and the notifications below",
    legacyClient: `${REFUSED}; each window is told of changes of lists unasked`,
  },
  "tasks/get": {
    from: "both",
    kind: "request",
    eras: BOTH,
    modernClient: "of the extension: tasks of the daemon, and of servers that have it",
    legacyClient: "of 2025-11-25: tasks of servers of that revision",
  },
  "tasks/cancel": {
    from: "both",
    kind: "request",
    eras: BOTH,
    modernClient: "of the extension, as `tasks/get`",
    legacyClient: "of 2025-11-25, as `tasks/get`",
  },
  "tasks/update": {
    from: "client",
    kind: "request",
    eras: MODERN,
    modernClient: "of the extension, as `tasks/get`",
    legacyClient: REFUSED,
  },
  "tasks/list": {
    from: "both",
    kind: "request",
    eras: LEGACY,
    modernClient: REFUSED,
    legacyClient: "of 2025-11-25, as `tasks/get`",
  },
  "tasks/result": {
    from: "both",
    kind: "request",
    eras: LEGACY,
    modernClient: `${REFUSED}; \`tasks/get\` has the result`,
    legacyClient: "of 2025-11-25, as `tasks/get`",
  },
  "elicitation/create": {
    from: "server",
    kind: "request",
    eras: BOTH,
    modernClient: "in `inputRequests`, without `elicitationId`",
    legacyClient: "a request about the running call; one for a page gets an `elicitationId`",
  },
  "sampling/createMessage": {
    from: "server",
    kind: "request",
    eras: BOTH,
    modernClient: "in `inputRequests`",
    legacyClient: "a request about the running call",
  },
  "roots/list": {
    from: "server",
    kind: "request",
    eras: BOTH,
    modernClient: "in `inputRequests`, when it is asked during a call; outside of calls there are no roots",
    legacyClient: "a request; outside of calls too",
  },
  "notifications/initialized": {
    from: "client",
    kind: "notification",
    eras: LEGACY,
    modernClient: "none",
    legacyClient: "taken by the daemon; servers are not sent it",
  },
  "notifications/cancelled": {
    from: "both",
    kind: "notification",
    eras: BOTH,
    modernClient: "cancels the call, whatever its server is; over HTTP the end of the stream does",
    legacyClient: "cancels the call; over HTTP the daemon closes its stream to the server",
  },
  "notifications/progress": {
    from: "both",
    kind: "notification",
    eras: BOTH,
    modernClient: "under the token of the request, while it is open; of its own about a question, none",
    legacyClient: "under the token of the request",
  },
  "notifications/message": {
    from: "server",
    kind: "notification",
    eras: BOTH,
    modernClient: "about a request whose level asks for it; others are dropped",
    legacyClient: "by the level of `logging/setLevel`",
  },
  "notifications/resources/updated": {
    from: "server",
    kind: "notification",
    eras: BOTH,
    modernClient: "on each `subscriptions/listen` that names the resource",
    legacyClient: "to the windows that have subscribed",
  },
  "notifications/tools/list_changed": LIST_CHANGE,
  "notifications/prompts/list_changed": LIST_CHANGE,
  "notifications/resources/list_changed": LIST_CHANGE,
  "notifications/roots/list_changed": {
    from: "client",
    kind: "notification",
    eras: LEGACY,
    modernClient: "none",
    legacyClient: "taken by the daemon; the server is told the new roots when it asks",
  },
  "notifications/elicitation/complete": {
    from: "server",
    kind: "notification",
    eras: LEGACY,
    modernClient: "none: the client repeats its request when its user is done",
    legacyClient: "sent when the server has accepted the answer",
  },
  "notifications/subscriptions/acknowledged": {
    from: "server",
    kind: "notification",
    eras: MODERN,
    modernClient: "first on each `subscriptions/listen`",
    legacyClient: "none",
  },
  "notifications/tasks/status": {
    from: "both",
    kind: "notification",
    eras: LEGACY,
    modernClient: "none",
    legacyClient: "of tasks of 2025-11-25",
  },
  "notifications/tasks": {
    from: "server",
    kind: "notification",
    eras: MODERN,
    modernClient: "on each `subscriptions/listen` that names the task",
    legacyClient: "none",
  },
};

const BY_NAME: ReadonlyMap<string, MethodRow> = new Map(Object.entries(METHODS));

/** Whether `era` has the method, or no era that is known here: it is of an extension then, and passed on. */
export function hasMethod(era: Era, method: string): boolean {
  return BY_NAME.get(method)?.eras.includes(era) ?? true;
}

/** Whether `method` is of no era that is known here: of an extension, or of nothing. */
export function isForeignMethod(method: string): boolean {
  return !BY_NAME.has(method);
}

/** Whether complete results of `method` carry `ttlMs` and `cacheScope` in the modern era. */
export function isCacheable(method: string): boolean {
  return BY_NAME.get(method)?.isCacheable === true;
}

/** Whether a request of `method` may be answered with `input_required` (MCP basic/patterns/mrtr). */
export function mayAskInput(method: string): boolean {
  return BY_NAME.get(method)?.mayAsk === true;
}
