import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Link } from "../client/link.ts";
import type { LinkError } from "../client/link_target.ts";
import type { Settings } from "../config/settings.ts";
import type { Line } from "../transport/line.ts";
import type { StdioPeer } from "../transport/stdio.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import { onOneLine } from "../wire/json_string.ts";
import type { Peeked } from "../wire/peek.ts";
import { cancelledId, idTextOf, type MessageEnvelope, type RequestEnvelope } from "../wire/envelope.ts";
import { jsonId, type RequestId, type RpcNotification } from "../wire/rpc.ts";
import { Backpressure } from "./backpressure.ts";
import { DaemonRequests } from "./daemon_requests.ts";
import type { DialerHooks } from "./dialer.ts";
import * as errors from "./error_responses.ts";
import { FailureResponder } from "./failure_responder.ts";
import { isAcknowledgedAgain, toldToListens } from "./listens.ts";
import { lineOf, Outbox } from "./outbox.ts";
import { PendingMessages, type PendingRequest, pendingRequest } from "./pending_messages.ts";
import { afterRestart, afterResume } from "./recovery.ts";
import { refreshLists, replayHandshake } from "./replay.ts";
import { ReplayState } from "./replay_state.ts";
import { RequestTimers, type TimerSettings } from "./request_timers.ts";
import { type DaemonMessage, Uplink, type UplinkSettings } from "./uplink.ts";

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
export type ClientPort = Pick<
  StdioPeer,
  "sendText" | "sendUtf8" | "send" | "refuse" | "read" | "flushed" | "queuedChars"
>;

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
    const parts = { ...options, client, replayState: this.#replayState };
    this.#failures = new FailureResponder(this.#pending, parts);
    this.#timers = new RequestTimers(options, {
      onDaemonTimeout: (entry, waitedMs) => this.#failures.handleDaemonTimeout(entry, waitedMs),
      onResponseTimeout: (entry) => this.#timeOut(entry),
    });
    this.#uplink = new Uplink(options, {
      requests: () => [...this.#pending.requests()],
      onMessage: (message, peeked) => this.#handleDaemonMessage(message, peeked),
      onReturned: (number) => this.#readReturned(number),
      isWaiting: () => this.#backpressure.isPaused || this.#pending.isWaiting,
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
  handleMessage(message: MessageEnvelope, line: Line): void {
    if (message.kind === "request") this.#handleRequest(message, line);
    else if (message.kind === "notification") this.#handleNotification(message.method, line);
    else this.#handleResponse(message.id, line);
  }

  /** Handles a request of which only the ends were read; false when it must be checked before it is passed on. */
  handleUnread(request: RequestEnvelope, line: Line): boolean {
    if (!this.#uplink.takesUnread) return false;
    this.#handleRequest(request, line);
    return true;
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
    return !this.#hasAttempted || this.#pending.isWaiting;
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

  #handleRequest({ id, method }: RequestEnvelope, line: Line): void {
    const refuse = (error: ExaiError) => this.#client.refuse(idTextOf({ id, text: line.text }), error);
    if (this.#pending.has(id)) return this.#client.refuse("null", errors.idInUse(id));
    const { maxFrameBytes } = this.#uplink;
    if (line.bytes > maxFrameBytes) return refuse(errors.tooLarge(line.bytes, maxFrameBytes));
    const entry = pendingRequest(id, method, line);
    const remembered = this.#uplink.isReady ? undefined : this.#replayState.responseFor(entry);
    if (remembered !== undefined) return this.#client.sendText(remembered);
    const error = this.#outbox.overCapacity(line);
    if (error) return refuse(error);
    this.#pending.add(entry);
    this.#timers.awaitResponse(entry);
    if (this.#uplink.isReady) return this.#outbox.send(entry);
    this.#timers.awaitDaemon(entry);
    this.#options.onDemand();
  }

  #handleNotification(method: string, line: Line): void {
    if (method === "notifications/progress") return void this.#uplink.send(line.text);
    if (method === "notifications/initialized") this.#replayState.client.hasInitialized = true;
    if (method === "notifications/cancelled") {
      const id = cancelledId(line.text);
      const cancelled = id === undefined ? undefined : this.#pending.take(id);
      this.#failures.checkIdle();
      // The daemon never received the request.
      if (cancelled && !cancelled.isSent) return;
    }
    this.#outbox.notify(method, line);
  }

  #handleResponse(id: RequestId | null, line: Line): void {
    if (id !== null && this.#daemonRequests.take(id)) return this.#outbox.respond(id, line);
    log.debug("the client's response to {id} matches no request", { id });
  }

  /** Reads a request in full that the daemon has returned: it is no valid message, or not a plain one. */
  #readReturned(number: number): void {
    const entry = [...this.#pending.requests()].find(({ sequence, utf8 }) => utf8 && sequence === number);
    if (!entry || !this.#pending.remove(entry)) return;
    this.#client.read(entry);
    this.#failures.checkIdle();
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
    this.#handleNotification(cancelled.method, lineOf(cancelled));
  }

  // Messages of the daemon

  #handleDaemonMessage(message: DaemonMessage, peeked: Peeked): void {
    switch (peeked.kind) {
      case "response": {
        const { id, failed } = peeked;
        if (id === null) break;
        if (this.#keepForNextDaemon(id, message, failed)) return;
        const request = this.#pending.answer(id);
        if (!request) return log.debug("the daemon's response to {id} matches no request", { id });
        if (!failed) this.#replayState.noteResponse(request, message);
        break;
      }
      case "request":
        this.#daemonRequests.add(peeked.id);
        break;
      case "notification":
        if (isAcknowledgedAgain(peeked, this.#pending)) return;
        if (peeked.method === "notifications/cancelled") {
          this.#daemonRequests.handleCancelled(peeked.message.params);
        }
    }
    if (message.utf8) this.#client.sendUtf8(message.utf8);
    else this.#client.sendText(onOneLine(message.text));
    this.#failures.checkIdle();
    if (this.#client.queuedChars > this.#options.maxQueuedBytes) {
      this.#uplink.cut("the client does not read");
    }
  }

  /** Keeps a request that a stopping daemon does not take any more, or a listen that it ends; false for any other. */
  #keepForNextDaemon(id: RequestId, { text }: DaemonMessage, failed: boolean): boolean {
    const entry = this.#pending.get(id);
    if (!entry || !(failed ? errors.isShuttingDown(text) : entry.listen)) return false;
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
    const { client, lists } = this.#replayState;
    refreshLists(lists, this.#uplink.requests, facts).then(({ legacy, modern }) => {
      for (const name of [...legacy].filter((name) => client.mayNotify(name))) {
        this.#client.send({ jsonrpc: "2.0", method: `notifications/${name}/list_changed` });
      }
      for (const told of toldToListens(this.#pending.listens(), modern)) this.#client.sendText(told);
    }, () => {});
  }

  #handleDisconnect(end: SocketEnd): void {
    this.#failures.noteDisconnect(`${end.code} ${end.reason}`.trimEnd());
    this.#backpressure.resume();
    if (end.code === CLOSE.frameTooLarge) this.#failures.failLargest(this.#uplink.maxFrameBytes);
    for (const entry of this.#pending.requests()) this.#timers.awaitDaemon(entry);
  }
}
