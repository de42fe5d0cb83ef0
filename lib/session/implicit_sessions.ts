import { ExaiError } from "../base/errors.ts";
import { heapBytes } from "../base/heap_bytes.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { suspendAwareTimeout } from "../base/time.ts";
import type { Caller } from "../call/call.ts";
import { checkParamHeaders, type HeaderParam, headerParams } from "../wire/headers.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { Params } from "../wire/raw_object.ts";
import { charged, type HoldCharge, MIN_CHARGED_BYTES } from "./charged.ts";
import { encodeMessage, encodeResponse } from "./message_sink.ts";
import type { ModernPeer } from "./modern_peer.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";
import { namedWindow } from "./window_group.ts";

/** How long one lasts after its last request. */
const IDLE_MS = 10 * MINUTE_MS;

interface ImplicitSessionHooks {
  registry: SessionRegistry;
  /** Makes what answers the requests of a session. */
  modernPeer(session: Session): ModernPeer;
  /** The tool that `caller` knows by this name, as it is shown; undefined if there is none. */
  toolNamed(caller: Caller, name: string): Promise<JsonObject | undefined>;
  /** How many there may be at once. */
  maxSessions: number;
}

/** What the requests of one implicit session have in common. */
interface ImplicitClient {
  /** The one server they see; undefined for the merged catalog. */
  server?: string;
  /** The client's working directory: mounted servers start there, but no tool reads files there. */
  cwd?: string;
  /** A name for the window they come from, to tell it from others. */
  window?: string;
  /** Ids of the daemons between the client and this one. */
  via?: readonly string[];
  principal: { id: string; isOwner: boolean };
}

/** One request, with the way back to its client. */
interface ImplicitRequest {
  headers: Headers;
  /** The size of its body in bytes. */
  bytes: number;
  /** Sends a notification about it, as text. */
  send(text: string): void;
  /** Aborted when the client has closed its connection. */
  signal: AbortSignal;
}

/** The answer to a request, as text; `code`: that of its error. */
interface ImplicitAnswer {
  text: string;
  code?: number;
}

/**
 * The sessions of HTTP clients of the modern era, which know of none: requests on behalf of one principal, to one server,
 * from one directory and window share what the daemon keeps between requests. They last while they are used, and ten
 * minutes.
 */
export class ImplicitSessions {
  readonly #hooks: ImplicitSessionHooks;
  /** The least recently used first. */
  readonly #byClient = new Map<string, ImplicitSession>();

  constructor(hooks: ImplicitSessionHooks) {
    this.#hooks = hooks;
  }

  /**
   * The session that requests of `client` belong to.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when there are too many, and all are in use
   */
  of(client: ImplicitClient): ImplicitSession {
    const { server, cwd, window, via, principal } = client;
    const key = JSON.stringify([principal.id, server, cwd, window, via]);
    const session = this.#byClient.get(key) ?? this.#create(client, key);
    this.#byClient.delete(key);
    this.#byClient.set(key, session);
    return session;
  }

  #create(client: ImplicitClient, key: string): ImplicitSession {
    if (this.#byClient.size >= this.#hooks.maxSessions) this.#evict();
    const onEnded = () => this.#byClient.delete(key);
    // The next session of the same client, in this daemon or the next one, is to find its tasks.
    return new ImplicitSession(client, { ...this.#hooks, ownSecret: key, onEnded });
  }

  #evict(): void {
    for (const session of this.#byClient.values()) {
      if (!session.isUsed) return session.end("too many sessions, and it was unused for longest");
    }
    throw new ExaiError("OVER_CAPACITY", "too many sessions", { retryAfterMs: SECOND_MS });
  }
}

/** One session that its client does not know of. */
class ImplicitSession {
  readonly #session: Session;
  readonly #peer: ModernPeer;
  readonly #hooks: ImplicitSessionHooks;
  /** Requests that are not answered. */
  #open = 0;
  #expiry: Disposable;

  constructor(
    { principal: { id: principal, isOwner }, window, ...about }: ImplicitClient,
    hooks: ImplicitSessionHooks & { ownSecret: string; onEnded(): void },
  ) {
    this.#hooks = hooks;
    this.#session = hooks.registry.create({
      ...about,
      principal,
      window: window === undefined ? undefined : namedWindow(window, principal),
      wantedId: `http-modern-${crypto.randomUUID().slice(0, 8)}`,
      isResumable: false,
      ownSecret: hooks.ownSecret,
      isReading: () => this.#open > 0,
      namedDirs: isOwner ? "start" : "none",
      listens: () => this.#open > 0,
    });
    this.#session.output.attach({ send: () => {}, close: () => {} });
    this.#peer = hooks.modernPeer(this.#session);
    this.#expiry = this.#expireAfter(IDLE_MS);
    this.#session.ended.addEventListener("abort", () => {
      this.#expiry[Symbol.dispose]();
      hooks.onEnded();
    }, { once: true });
  }

  /** Whether a request is not answered, or a call goes on that waits for the next one. */
  get isUsed(): boolean {
    return this.#open > 0 || this.#session.calls.size > 0;
  }

  end(why: string): void {
    this.#hooks.registry.end(this.#session, why);
  }

  /** The answer to a request that `isModern`. Never rejects. */
  async answer(
    request: RawRequest,
    { headers, bytes, send, signal }: ImplicitRequest,
  ): Promise<ImplicitAnswer> {
    const session = this.#session;
    const { maxFrameBytes: maxBytes } = session;
    const count = (text: string) => {
      session.bytesOut += text.length;
      return text;
    };
    this.#open++;
    session.touch();
    session.bytesIn += bytes;
    try {
      const place = {
        notify: (method: string, params: Params) =>
          send(count(encodeMessage({ method, params }, { maxBytes }).text)),
        admit: (caller: Caller) => this.#checkParamHeaders(request, { caller, headers }),
      };
      const run = (hold?: HoldCharge) => this.#peer.answer(request, { ...place, hold }, signal);
      const charge = heapBytes(request.text);
      const result = await (charge < MIN_CHARGED_BYTES ? run() : charged(session, charge, run));
      return { text: count(encodeResponse(request.idText, result, maxBytes)), code: result.error?.code };
    } finally {
      this.#open--;
      session.touch();
    }
  }

  /**
   * Checks the headers that repeat arguments of a tool. A tool that is not found is refused where it is called.
   *
   * @throws {ExaiError} `HEADER_MISMATCH`
   */
  async #checkParamHeaders(
    request: RawRequest,
    { caller, headers }: { caller: Caller; headers: Headers },
  ): Promise<void> {
    const name = request.method === "tools/call" ? textOf(request.body!.get("name")) : undefined;
    if (name === undefined) return;
    const tool = await this.#hooks.toolNamed(caller, name);
    const params = paramsOf(tool?.inputSchema);
    if (params.length > 0) checkParamHeaders(headers, params, request.body!.get("arguments"));
  }

  #expireAfter(ms: number): Disposable {
    return suspendAwareTimeout(
      () => {
        if (this.isUsed) this.#session.touch();
        const leftMs = this.#session.lastUsedMs + IDLE_MS - performance.now();
        if (leftMs <= 0) return this.end("it was unused for ten minutes");
        this.#expiry = this.#expireAfter(leftMs);
      },
      ms,
      0,
    );
  }
}

const NONE: readonly HeaderParam[] = [];

/** By schema, which lists keep. */
const known = new WeakMap<JsonObject, readonly HeaderParam[]>();

/** The arguments that a tool with this schema wants repeated; none where its annotations are invalid. */
function paramsOf(inputSchema: Json | undefined): readonly HeaderParam[] {
  if (!isObject(inputSchema)) return NONE;
  let params = known.get(inputSchema);
  if (!params) {
    const found = headerParams(inputSchema);
    params = found.fault === undefined ? found.params : NONE;
    known.set(inputSchema, params);
  }
  return params;
}
