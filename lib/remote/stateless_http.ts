import type { UrlServerConfig } from "../config/server_config.ts";
import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { META, MODERN_REVISIONS } from "../wire/client_claim.ts";
import { CODES, toRpcError } from "../wire/codes.ts";
import { requestHeaders } from "../wire/headers.ts";
import { paramsOf } from "../wire/raw_edits.ts";
import { memberOf } from "../wire/raw_object.ts";
import { resultMember } from "../wire/raw_message.ts";
import {
  isRequest,
  type RequestId,
  responseTo,
  type RpcError,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from "../wire/rpc.ts";
import type { ServerAuthorization } from "./authorization.ts";
import type { ServerFetch } from "./bounded_fetch.ts";
import { HttpStatusError } from "./http_errors.ts";
import { rpcErrorIn } from "./era_refusals.ts";
import { RemoteTransport } from "./remote_transport.ts";
import { cancelledRequest } from "./server_endpoint.ts";
import { ToolHeaders } from "./tool_headers.ts";

const HEADER_MISMATCH = CODES.HEADER_MISMATCH.rpc;

/** Pages of a list of tools that are read to find the headers of one. */
const MAX_PAGES = 100;

/** Takes the answer to a request; returns what is passed on of it, if anything. */
type TakeAnswer = (answer: RpcResponse) => RpcMessage | undefined;

/**
 * Streamable HTTP of the revisions without a handshake (MCP basic/transports/streamable-http, 2026-07-28): each message
 * is a POST of its own whose headers repeat parts of it, and whose response is the answer or a stream that ends with it.
 * No session, no stream of the server's own, nothing resumed: a request is withdrawn by closing its POST, and one whose
 * stream ends without an answer may have run.
 *
 * `StreamableHTTPClientTransport` of `@modelcontextprotocol/client` 2.4 is not used in its place. It parses what is only
 * passed on: `1.0` and 9007199254740993 come out as 1 and 9007199254740992. An echo of 5 MB as JSON took 490 ms with it
 * and 300 ms here; of 100 KB 7 ms with both; in a stream it was up to a third faster. When a stream ends without an
 * answer its `send` has long resolved and nothing fails, and after an event with an id it asks for the rest with a GET,
 * which this revision has not. It posts a text, which `fetch` repeats when a kept connection breaks, and bounds no body.
 */
export class StatelessHttp extends RemoteTransport {
  readonly #timeoutMs: number;
  readonly #tools = new ToolHeaders((warning) => this.onerror?.(new Error(warning)));
  /** By the text of the id, which some servers send back as another type. */
  readonly #takers = new Map<string, TakeAnswer>();
  /** Resolves once a list of tools has been read, or cannot be. */
  #firstList: Promise<void> | undefined;
  #loading: Promise<void> | undefined;
  #loads = 0;
  #isClosed = false;

  constructor(config: UrlServerConfig, fetch: ServerFetch, authorization?: ServerAuthorization) {
    super(config, fetch, authorization);
    this.#timeoutMs = config.startTimeoutMs;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Sends `message`; for a request, settles when its answer has been passed on. An error in the body of a 400 or 404 is
   * the answer. A cancellation closes the POST of its request, and a response is not sent: this revision has neither.
   *
   * @throws {ResponseCutError} it may have run
   * @throws {HttpStatusError} any other refusal
   */
  async send(message: RpcMessage): Promise<void> {
    if (this.#isClosed) throw new Error(this.describeEnd());
    if (!("method" in message)) return;
    const cancelled = cancelledRequest(message);
    if (cancelled !== undefined) return this.withdraw(cancelled);
    await this.endpoint.during(message, async (signal) => {
      if (isRequest(message)) return await this.#request(message, signal);
      const response = await this.endpoint.postOnce(message, { headers: this.#headers(message), signal });
      await response.body?.cancel();
    });
  }

  /** Closes the POST of the request `id`, which tells the server that it is withdrawn. */
  withdraw(id: RequestId): void {
    this.endpoint.cancel(id);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.endpoint.close();
      this.onclose?.();
    }
    return Promise.resolve();
  }

  protected override receive(message: RpcMessage, about?: RequestId): void {
    if ("method" in message) {
      // It could not be answered, as responses are not sent.
      if (isRequest(message)) this.#report(`a request, ${message.method}, which only older revisions have`);
      else super.receive(message, about);
      return;
    }
    const take = message.id === null ? undefined : this.#takers.get(String(message.id));
    const passedOn = take ? take(message) : message;
    if (passedOn) super.receive(passedOn, about);
  }

  async #request(request: RpcRequest, signal: AbortSignal): Promise<void> {
    const { id, method } = request;
    if (method === "tools/list") return await this.#list(request, signal);
    if (method === "tools/call") {
      // The headers are required of the first call too.
      this.#firstList ??= this.#load(request);
      await untilAborted(this.#firstList, signal);
    }
    let mismatch = await this.#postChecked(request, signal);
    if (mismatch && method === "tools/call") {
      await untilAborted(this.#load(request), signal);
      mismatch = await this.#postChecked(request, signal);
    }
    if (mismatch) super.receive(responseTo(id, { error: this.#mismatchError(mismatch) }), id);
  }

  async #list(request: RpcRequest, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#firstList ??= promise;
    try {
      await this.#post(request, signal, (answer) => {
        const shown = this.#tools.read(answer);
        resolve();
        return shown === answer ? answer : responseTo(answer.id, shown);
      });
    } finally {
      resolve();
    }
  }

  /** Posts `request`, and passes its answer on unless it was refused for its headers; returns that refusal. */
  async #postChecked(request: RpcRequest, signal: AbortSignal): Promise<RpcError | undefined> {
    let mismatch: RpcError | undefined;
    await this.#post(request, signal, (answer) => {
      // That of the first request says which era the server is of.
      const isRefusal = answer.error?.code === HEADER_MISMATCH && request.method !== "server/discover";
      if (isRefusal) mismatch = answer.error;
      return isRefusal ? undefined : answer;
    });
    return mismatch;
  }

  async #post(request: RpcRequest, signal: AbortSignal, take: TakeAnswer): Promise<void> {
    const { id } = request;
    const key = String(id);
    this.#takers.set(key, take);
    try {
      const response = await this.endpoint.postOnce(request, { headers: this.#headers(request), signal });
      if (response.body !== null && response.status !== 202) {
        return await this.takeAnswer(response, { id, signal });
      }
      await response.body?.cancel();
      this.answerMalformed(id, `it has no body (HTTP status ${response.status})`);
    } catch (thrown) {
      if (!isInBand(thrown, id)) throw thrown;
      await this.reader.take(thrown.body, id);
    } finally {
      this.#takers.delete(key);
    }
  }

  #headers(message: RpcRequest | RpcNotification): Record<string, string> {
    const { method } = message;
    const params = paramsOf(message) ?? {};
    return {
      "MCP-Protocol-Version": MODERN_REVISIONS[0],
      ...requestHeaders({ method, params }),
      ...(method === "tools/call" ? this.#tools.of(params) : {}),
    };
  }

  /** Has the server list its tools on behalf of `call`; concurrent calls share one list. Never rejects. */
  #load(call: RpcRequest): Promise<void> {
    return this.#loading ??= this.#loadPages(claimOf(call))
      .catch((thrown) => this.#isClosed || this.onerror?.(thrown))
      .then(() => this.#loading = undefined);
  }

  async #loadPages(claim: JsonObject): Promise<void> {
    const late = AbortSignal.timeout(this.#timeoutMs);
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page++) {
      const params: JsonObject = typeof cursor === "string" ? { cursor, _meta: claim } : { _meta: claim };
      const id = `exai-tools-${++this.#loads}`;
      const request: RpcRequest = { jsonrpc: "2.0", id, method: "tools/list", params };
      cursor = undefined;
      const take = (answer: RpcResponse) => {
        this.#tools.read(answer);
        cursor = resultMember(answer, "nextCursor");
        return undefined;
      };
      await this.endpoint.during(request, (signal) => {
        return this.#post(request, AbortSignal.any([signal, late]), take);
      });
      if (typeof cursor !== "string") return;
    }
  }

  /** The refusal of headers that EXAI has made is no matter of its client. */
  #mismatchError({ message }: RpcError): RpcError {
    const why =
      `server "${this.server}" refused the headers of a request, which repeat parts of it: ${message}`;
    return toRpcError(
      new ExaiError("INTERNAL", why, { details: { server: this.server, outcome: "not_run" } }),
    );
  }

  #report(what: string): void {
    this.onerror?.(new Error(`server "${this.server}" sent ${what}`));
  }
}

/** Whether a refusal is the answer to the request `id`: the error of a server of this revision, and not of a proxy. */
function isInBand(thrown: unknown, id: RequestId): thrown is HttpStatusError {
  if (!(thrown instanceof HttpStatusError) || (thrown.status !== 400 && thrown.status !== 404)) return false;
  const answer = rpcErrorIn(thrown.body);
  return answer !== undefined &&
    (answer.id === null || answer.id === undefined || String(answer.id) === String(id));
}

/** What `request` says of its client, without what is about itself alone. */
function claimOf(request: RpcRequest): JsonObject {
  const meta = memberOf(paramsOf(request) ?? {}, "_meta");
  const claim: JsonObject = {};
  for (const name of [META.revision, META.client, META.capabilities]) {
    const value = isObject(meta) ? meta[name] : undefined;
    if (value !== undefined) claim[name] = value;
  }
  return claim;
}
