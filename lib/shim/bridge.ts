import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../base/json.ts";
import type { Link } from "../client/link.ts";
import type { LinkError } from "../client/link_target.ts";
import type { Settings } from "../config/settings.ts";
import type { Line, StdioPeer } from "../transport/stdio.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import type { Peeked } from "../wire/peek.ts";
import {
  jsonId,
  kindOf,
  type RequestId,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
} from "../wire/rpc.ts";
import { Backpressure } from "./backpressure.ts";
import { DaemonRequests } from "./daemon_requests.ts";
import type { DialerHooks } from "./dialer.ts";
import * as errors from "./error_responses.ts";
import { FailureResponder } from "./failure_responder.ts";
import { lineOf, Outbox } from "./outbox.ts";
import { PendingMessages, type PendingRequest } from "./pending_messages.ts";
import { afterRestart, afterResume } from "./recovery.ts";
import { refreshLists, replayHandshake } from "./replay.ts";
import { ReplayState } from "./replay_state.ts";
import { RequestTimers, type TimerSettings } from "./request_timers.ts";
import { Uplink, type UplinkSettings } from "./uplink.ts";

const log = getLogger(["exai", "shim"]);

export type BridgeOptions =
  & UplinkSettings
  & TimerSettings
  & Pick<Settings, "maxQueuedBytes">
  & {
    /** The end of an error message: what the user can do without a daemon. */
    advice: string;
    /** Called when a request waits for a daemon. */
    onDemand(): void;
  };

/** What the bridge uses of the client's side. */
export type ClientPort = Pick<StdioPeer, "sendText" | "send" | "refuse" | "flushed" | "queuedChars">;

/**
 * Carries every MCP message between the client and the daemon unchanged, and ensures that each request of the client gets
 * exactly one response, whatever happens to the daemon.
 */
export class Bridge implements DialerHooks {
  readonly #client: ClientPort;
  readonly #options: BridgeOptions;
  readonly #uplink: Uplink;
  readonly #pending = new PendingMessages();
  readonly #replayState = new ReplayState();
  readonly #timers: RequestTimers;
  readonly #daemonRequests = new DaemonRequests();
  readonly #backpressure = new Backpressure();
  readonly #failures: FailureResponder;
  readonly #outbox: Outbox;
  #hasAttempted = false;

  constructor(client: ClientPort, options: BridgeOptions) {
    this.#client = client;
    this.#options = options;
    const { advice } = options;
    this.#failures = new FailureResponder(this.#pending, { client, replayState: this.#replayState, advice });
    this.#timers = new RequestTimers(options, {
      onDaemonTimeout: (entry, waitedMs) => this.#failures.handleDaemonTimeout(entry, waitedMs),
      onResponseTimeout: (entry) => this.#timeOut(entry),
    });
    this.#uplink = new Uplink(options, {
      pendingIds: () => [...this.#pending.requests()].filter(({ isSent }) => isSent).map(({ id }) => id),
      onFrame: (text, frame) => this.#handleFrame(text, frame),
      isPaused: () => this.#backpressure.isPaused,
      onResume: (unseen, { knowsArrivals }) =>
        this.#outbox.applyRecovery((entry) => afterResume(entry, { unseen, knowsArrivals })),
      onAcknowledge: (count) => this.#acknowledge(count),
      onRestart: (recovered) =>
        this.#outbox.applyRestart(recovered, (request) => this.#replayState.isSafeToRepeat(request)),
      introduce: () => this.#introduce(),
      onIntroduced: (facts) => this.#handleIntroduced(facts),
      onDisconnect: (end) => this.#handleDisconnect(end),
    });
    this.#outbox = new Outbox({
      pending: this.#pending,
      uplink: this.#uplink,
      timers: this.#timers,
      failures: this.#failures,
    });
  }

  /** The negotiated MCP revision, once the client has initialized. */
  get revision(): string | undefined {
    return this.#replayState.client.revision;
  }

  /** Handles a message of the client. */
  handleMessage(message: RpcMessage, line: Line): void {
    switch (kindOf(message)) {
      case "request":
        return this.#handleRequest(message as RpcRequest, line);
      case "notification":
        return this.#handleNotification(message as RpcNotification, line);
      case "response":
        return this.#handleResponse(message as RpcMessage & { id: RequestId }, line);
    }
  }

  /** Handles a response of the client that is malformed. */
  handleMalformedResponse(id: RequestId, why: string): void {
    if (this.#daemonRequests.take(id)) this.#outbox.respondWithError(id, errors.malformedResponse(why));
  }

  /**
   * Resolves when the client may be read; undefined when it may be read now. Without a daemon it always may, since its
   * requests are then answered here.
   */
  backpressure(): Promise<void> | undefined {
    if (!this.#uplink.acknowledgesMessages) return undefined;
    const resumed = this.#backpressure.waitForCapacity(this.#pending.otherBytes);
    // The liveness check ends the pause when the daemon hangs.
    if (resumed) this.#uplink.expectActivity();
    return resumed;
  }

  /** Resolves when no request is pending. */
  whenIdle(): Promise<void> {
    return this.#failures.whenIdle();
  }

  /** Fails all pending requests: the client has closed stdin, and may still read. */
  failAll(): void {
    this.#failures.failAll();
  }

  /** Ends the session with the daemon; resolves when that has confirmed or `timeoutMs` has passed. */
  close(timeoutMs: number): Promise<void> {
    return this.#uplink.close(timeoutMs);
  }

  // DialerHooks

  hello(): JsonObject {
    return this.#uplink.hello();
  }

  isDaemonNeeded(): boolean {
    return !this.#hasAttempted || this.#pending.requestCount > 0;
  }

  async waitForCapacity(): Promise<void> {
    if (this.#client.queuedChars > this.#options.maxQueuedBytes / 2) await this.#client.flushed();
  }

  onConnect(link: Link): void {
    this.#hasAttempted = true;
    this.#uplink.connected(link);
  }

  onDisconnect(end: SocketEnd): void {
    this.#uplink.disconnected(end);
  }

  onLinkError(error: LinkError): void {
    this.#hasAttempted = true;
    this.#failures.handleLinkError(error);
  }

  // Messages of the client

  #handleRequest(message: RpcRequest, line: Line): void {
    const { id, method } = message;
    if (this.#pending.has(id)) return this.#client.refuse(null, errors.idInUse(id));
    const entry: PendingRequest = { kind: "request", id, method, ...line, isSent: false, sends: 0 };
    const { maxFrameBytes } = this.#uplink;
    if (line.bytes > maxFrameBytes) {
      return this.#client.refuse(id, errors.tooLarge(line.bytes, maxFrameBytes));
    }
    const remembered = this.#uplink.isReady ? undefined : this.#replayState.responseFor(entry);
    if (remembered !== undefined) return this.#client.sendText(remembered);
    const error = this.#outbox.overCapacity(line);
    if (error) return this.#client.refuse(id, error);
    this.#pending.add(entry);
    this.#timers.awaitResponse(entry);
    if (this.#uplink.isReady) return this.#outbox.send(entry);
    this.#timers.awaitDaemon(entry);
    this.#options.onDemand();
  }

  #handleNotification(message: RpcNotification, line: Line): void {
    const { method, params } = message;
    if (method === "notifications/progress") return void this.#uplink.send(line.text);
    if (method === "notifications/initialized") this.#replayState.client.hasInitialized = true;
    if (method === "notifications/cancelled") {
      const cancelled = this.#pending.take(params?.requestId as RequestId);
      this.#failures.checkIdle();
      // The daemon never received the request.
      if (cancelled && !cancelled.isSent) return;
    }
    this.#outbox.notify(method, line);
  }

  #handleResponse(message: { id: RequestId }, line: Line): void {
    if (this.#daemonRequests.take(message.id)) return this.#outbox.respond(message.id, line);
    log.debug("the client's response to {id} matches no request", { id: message.id });
  }

  #acknowledge(count: number): void {
    this.#pending.acknowledge(count);
    this.#backpressure.drainedTo(this.#pending.otherBytes);
  }

  #timeOut(entry: PendingRequest): void {
    this.#failures.fail(entry, errors.timedOut(entry.method, this.#options.shimRpcTimeoutMs));
    if (!entry.isSent || entry.method === "initialize") return;
    const params = { requestId: jsonId(entry.id), reason: "not answered in time" };
    const cancelled: RpcNotification = { jsonrpc: "2.0", method: "notifications/cancelled", params };
    this.#handleNotification(cancelled, lineOf(cancelled));
  }

  // Messages of the daemon

  #handleFrame(text: string, frame: Peeked): void {
    switch (frame.kind) {
      case "response": {
        if (frame.id === null) break;
        if (frame.failed && this.#keepForNextDaemon(frame.id, text)) return;
        const request = this.#pending.answer(frame.id);
        if (!request) return log.debug("the daemon's response to {id} matches no request", { id: frame.id });
        this.#replayState.noteResponse(request, { text, response: frame });
        break;
      }
      case "request":
        this.#daemonRequests.add(frame.id);
        break;
      case "notification":
        if (frame.message.method === "notifications/cancelled") {
          this.#daemonRequests.handleCancelled(frame.message.params);
        }
    }
    // MCP's stdio transport delimits messages by newlines, so a text with line breaks is serialized again.
    this.#client.sendText(/[\n\r]/.test(text) ? JSON.stringify(JSON.parse(text)) : text);
    this.#failures.checkIdle();
    if (this.#client.queuedChars > this.#options.maxQueuedBytes) {
      this.#uplink.cut("the client does not read");
    }
  }

  /** Keeps a request that a stopping daemon does not take any more; false for any other error. */
  #keepForNextDaemon(id: RequestId, text: string): boolean {
    const entry = this.#pending.get(id);
    if (!entry || JSON.parse(text).error?.data?.code !== "SHUTTING_DOWN") return false;
    entry.isSent = false;
    this.#timers.awaitNextDaemon(entry);
    return true;
  }

  // Changes of the connection

  async #introduce(): Promise<{ replayed: boolean }> {
    const { client } = this.#replayState;
    for (const cancelled of this.#daemonRequests.cancelAll()) this.#client.send(cancelled);
    if (client.initialize === undefined) return { replayed: false };
    const { requests } = this.#uplink;
    await replayHandshake(client, { requests, send: (text) => this.#uplink.send(text) });
    return { replayed: true };
  }

  #handleIntroduced(facts: { replayed: boolean }): void {
    this.#outbox.applyRecovery((entry) => afterRestart(entry, facts));
    if (!facts.replayed) return;
    refreshLists(this.#replayState.lists, this.#uplink.requests).then(
      (names) => this.#notifyChanged(names),
      () => {},
    );
  }

  #notifyChanged(names: ReadonlySet<string>): void {
    for (const name of names) {
      const isDeclared = this.#replayState.client.mayNotify(name);
      if (isDeclared) this.#client.send({ jsonrpc: "2.0", method: `notifications/${name}/list_changed` });
    }
  }

  #handleDisconnect(end: SocketEnd): void {
    this.#failures.noteDisconnect(`${end.code} ${end.reason}`.trimEnd());
    this.#backpressure.resume();
    if (end.code === CLOSE.frameTooLarge) this.#failures.failLargest(this.#uplink.maxFrameBytes);
    for (const entry of this.#pending.requests()) this.#timers.awaitDaemon(entry);
  }
}
